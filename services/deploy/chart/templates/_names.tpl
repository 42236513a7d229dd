{{/*
fanout.fullname is what the names of all objects begin with. At most 40 characters: the label with a StatefulSet's revision adds 23
to it, and a label has 63.
*/}}
{{- define "fanout.fullname" -}}
{{- $name := .Release.Name | replace "." "-" }}
{{- if not (contains "fanout" $name) }}{{ $name = printf "%s-fanout" $name }}{{ end }}
{{- trunc 40 $name | trimSuffix "-" }}
{{- end }}

{{/* fanout.selector is the labels that choose the pods of a component: (list $ "worker"). They never change. */}}
{{- define "fanout.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: fanout
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* fanout.labels is the labels of a component's objects, which say the chart's version too: none of a pod, which it would restart. */}}
{{- define "fanout.labels" -}}
{{- $root := index . 0 -}}
{{ include "fanout.selector" . }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* fanout.image is the image with a tag, or with image.tag if that is empty: (list $ .Values.worker.image.tag). */}}
{{- define "fanout.image" -}}
{{- $root := index . 0 -}}
{{ $root.Values.image.repository }}:{{ index . 1 | default $root.Values.image.tag | default $root.Chart.AppVersion }}
{{- end }}

{{/* fanout.awaitWorkers is how many workers a run waits for: one at least. */}}
{{- define "fanout.awaitWorkers" -}}
{{- $least := ternary .Values.worker.hpa.minReplicas .Values.worker.replicas .Values.worker.hpa.enabled }}
{{- kindIs "invalid" .Values.run.awaitWorkers | ternary $least .Values.run.awaitWorkers | int | max 1 }}
{{- end }}

{{/*
fanout.text is a value as people write it: in values files numbers are floating-point, and 1000000 would be 1e+06.
*/}}
{{- define "fanout.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{/*
fanout.canAsk is "yes" if the cluster can be asked what it has: not while a chart is only rendered, nor for a namespace that is just
being made. Every namespace has a service account called default.
*/}}
{{- define "fanout.canAsk" -}}
{{- if lookup "v1" "ServiceAccount" .Release.Namespace "default" }}yes{{ end }}
{{- end }}
