{{/*
fanout.runTemplate is the pod of a run: (dict "root" $ "image" "" "pullPolicy" "" "await" ""). Image and await say where a run began, and
not which it is.
*/}}
{{- define "fanout.runTemplate" -}}
{{- $root := .root }}{{ $run := .root.Values.run -}}
metadata:
  labels: {{- include "fanout.selector" (list $root "run") | nindent 4 }}
  annotations:
    # Moved, a run would be another run.
    cluster-autoscaler.kubernetes.io/safe-to-evict: "false"
    {{- with $run.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  restartPolicy: Never
  # SIGTERM is Ctrl-C: the run is cancelled, and its report printed.
  terminationGracePeriodSeconds: 30
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext: {{- include "fanout.podSecurity" $root | nindent 4 }}
  {{- with include "fanout.placement" (list $root $run) | trim }}{{ . | nindent 2 }}{{ end }}
  containers:
    - name: run
      image: {{ .image }}
      imagePullPolicy: {{ .pullPolicy }}
      args:
        - run
        - --coordinator={{ include "fanout.fullname" $root }}-coordinator:7071
        - --await-workers={{ .await }}
        {{- if ne $root.Values.tls.mode "disabled" }}
        {{- include "fanout.tlsArgs" $root | nindent 8 }}
        {{- end }}
        {{- if $run.tokenSecret.name }}
        - {{ printf "--token-file=/etc/fanout/token/%s" $run.tokenSecret.key | quote }}
        {{- end }}
        {{- range $run.args }}
        - {{ include "fanout.text" . | quote }}
        {{- end }}
        - {{ quote $run.url }}
      {{- with include "fanout.goMemoryLimit" $run.resources | trim }}
      env: {{- . | nindent 8 }}
      {{- end }}
      resources: {{ $run.resources | default dict | toJson }}
      securityContext: {{- include "fanout.containerSecurity" $root | nindent 8 }}
      volumeMounts:
        {{- if ne $root.Values.tls.mode "disabled" }}
        {{- include "fanout.tlsMount" $root | nindent 8 }}
        {{- end }}
        {{- if $run.tokenSecret.name }}
        - {name: token, mountPath: /etc/fanout/token, readOnly: true}
        {{- end }}
  volumes:
    {{- if ne $root.Values.tls.mode "disabled" }}
    {{- include "fanout.tlsVolume" (list $root "client") | nindent 4 }}
    {{- end }}
    {{- with $run.tokenSecret.name }}
    - name: token
      secret: {secretName: {{ . }}, defaultMode: 0440}
    {{- end }}
{{- end }}

{{/*
fanout.runName is the Job's name. It says by a hash what the run is: a Job cannot be changed, so that one with other flags has to be
another Job.
*/}}
{{- define "fanout.runName" -}}
{{- $what := include "fanout.runTemplate" (dict "root" . "image" "" "pullPolicy" "" "await" "") }}
{{- printf "%s-run-%s" (include "fanout.fullname" .) (printf "%s%s" .Values.run.id $what | sha256sum | trunc 8) }}
{{- end }}
