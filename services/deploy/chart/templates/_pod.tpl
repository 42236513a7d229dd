{{/* fanout.podSecurity is what the restricted pod security asks of a pod. The group owns its volumes. */}}
{{- define "fanout.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* fanout.containerSecurity is what it asks of a container, and a root that cannot be written. */}}
{{- define "fanout.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* fanout.placement is where a component's pods may be: (list $ .Values.worker). */}}
{{- define "fanout.placement" -}}
{{- $root := index . 0 }}{{ $values := index . 1 }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with $values.affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- end }}

{{/* fanout.bytes is a quantity of memory in bytes; the schema says which there are. */}}
{{- define "fanout.bytes" -}}
{{- $text := include "fanout.text" . }}
{{- $number := regexFind "^[0-9]+" $text }}
{{- $units := dict "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 }}
{{- $unit := trimPrefix $number $text }}
{{- mul (int64 $number) (empty $unit | ternary 1 (get $units $unit)) }}
{{- end }}

{{/*
fanout.goMemoryLimit is the variable with which the Go runtime keeps to the container's memory: nine tenths, as fanout itself would
choose from its control group, computed in the same way.
*/}}
{{- define "fanout.goMemoryLimit" -}}
{{- with ((. | default dict).limits | default dict).memory }}
- name: GOMEMLIMIT
  value: {{ mul (div (include "fanout.bytes" .) 10) 9 | quote }}
{{- end }}
{{- end }}

{{/* fanout.servingArgs is the flags that worker and coordinator share. */}}
{{- define "fanout.servingArgs" -}}
- --health-listen=0.0.0.0:7079
{{- if .Values.metrics.enabled }}
- --metrics-listen=0.0.0.0:7078
{{- end }}
{{- if eq .Values.tls.mode "disabled" }}
- --insecure-listen
{{- else }}
{{ include "fanout.tlsArgs" . }}
{{- end }}
{{- end }}

{{/*
fanout.probes: ready is what says SERVING, which a draining service does not. Alive is what takes connections: a service that drains or
has much to do is not to be killed for it, nor one that reads a large store before it serves, which is why there is no startup probe.
*/}}
{{- define "fanout.probes" -}}
readinessProbe:
  grpc: {port: 7079}
  periodSeconds: 3
  timeoutSeconds: 3
livenessProbe:
  tcpSocket: {port: health}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}
