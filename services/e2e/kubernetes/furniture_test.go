package kubernetes

import (
	"context"
	"fmt"
	"strings"
)

// restricted is the security context of a pod of one container, as the namespaces demand it.
const restricted = `
      securityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 1`

// ofContainer is the same of its container.
const ofContainer = `
        securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
        imagePullPolicy: Never`

// spaces are the namespaces, in which no pod may run that is not restricted.
const spaces = `
apiVersion: v1
kind: Namespace
metadata: {name: ` + space + `, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: Namespace
metadata: {name: ` + world + `, labels: {pod-security.kubernetes.io/enforce: restricted}}
`

// theJudge is the target of all runs. It has a second name, which the release does not allow.
const theJudge = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: judge, namespace: ` + world + `}
spec:
  selector: {matchLabels: {app: judge}}
  template:
    metadata: {labels: {app: judge}}
    spec:` + restricted + `
      containers:
      - name: judge` + ofContainer + `
        image: ` + judgeImage + `
        env: [{name: ` + judgeVariable + `, value: "1"}]
        ports: [{name: http, containerPort: 8080}, {name: control, containerPort: 8081}]
        readinessProbe: {httpGet: {path: /state, port: control}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: judge, namespace: ` + world + `}
spec:
  selector: {app: judge}
  ports: [{name: http, port: 8080}, {name: control, port: 8081}]
---
apiVersion: v1
kind: Service
metadata: {name: forbidden, namespace: ` + world + `}
spec:
  selector: {app: judge}
  ports: [{name: http, port: 8080}]
`

// theConsole is where runs are begun, with the client certificate of the release. Its own process only keeps the pod alive.
const theConsole = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: console, namespace: ` + space + `}
spec:
  selector: {matchLabels: {app: console}}
  template:
    metadata: {labels: {app: console}}
    spec:` + restricted + `
      containers:
      - name: console` + ofContainer + `
        image: ` + repository + `:` + one + `
        args: [target, --quiet]
        volumeMounts: [{name: tls, mountPath: /etc/fanout/tls}]
      volumes: [{name: tls, secret: {secretName: ` + release + `-client-tls}}]
`

// theStranger is a pod beside the release that has no certificate. It knows the release's authority, as anybody may.
const theStranger = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: stranger, namespace: ` + space + `}
spec:
  selector: {matchLabels: {app: stranger}}
  template:
    metadata: {labels: {app: stranger}}
    spec:` + restricted + `
      containers:
      - name: stranger` + ofContainer + `
        image: ` + repository + `:` + one + `
        args: [target, --quiet]
        volumeMounts: [{name: ca, mountPath: /etc/fanout/ca}]
      volumes: [{name: ca, configMap: {name: authority}}]
`

// furnish makes what all tests take for granted: the namespaces, and the judge.
func (b *box) furnish() error {
	if err := b.apply(spaces); err != nil {
		return err
	}
	if err := b.apply(theJudge); err != nil {
		return err
	}
	return b.rolledOut(world, "deployment/judge")
}

// rolledOut waits until all pods of an object are what it says, and are ready.
func (b *box) rolledOut(namespace, object string) error {
	_, err := mustRun(b.in(context.Background(), "kubectl", "-n", namespace, "rollout", "status", object, "--timeout=180s"))
	return err
}

// volume is a directory of the node as a persistent volume, which only the fanout's user may write, as a provisioner would make it.
func (b *box) volume(name, path string) error {
	if _, err := mustRun(b.in(context.Background(), "install", "-d", "-o", "65532", "-g", "65532", path)); err != nil {
		return err
	}
	return b.apply(fmt.Sprintf(strings.TrimSpace(`
apiVersion: v1
kind: PersistentVolume
metadata: {name: %s}
spec: {capacity: {storage: 2Gi}, accessModes: [ReadWriteOnce], storageClassName: %s, persistentVolumeReclaimPolicy: Retain, hostPath: {path: %s}}`), name, name, path))
}
