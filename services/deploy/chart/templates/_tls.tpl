{{/* fanout.tlsSecret is the name of the secret of worker, coordinator or client: (list $ "worker"). */}}
{{- define "fanout.tlsSecret" -}}
{{- $root := index . 0 }}{{ $part := index . 1 }}
{{- if eq $root.Values.tls.mode "existing" }}
{{- get $root.Values.tls.existing (printf "%sSecret" $part) }}
{{- else }}
{{- printf "%s-%s-tls" (include "fanout.fullname" $root) $part }}
{{- end }}
{{- end }}

{{/*
fanout.certificateNames is the names of a certificate, as JSON {"dns": [], "ip": []}: (list $ "worker"). The first DNS name is who it is
to those whom it calls.
*/}}
{{- define "fanout.certificateNames" -}}
{{- $root := index . 0 }}{{ $part := index . 1 }}
{{- $dns := list "client" }}{{ $ip := list }}
{{- if ne $part "client" }}
{{- $name := printf "%s-%s" (include "fanout.fullname" $root) $part }}
{{- $in := printf "%s.%s" $name $root.Release.Namespace }}
{{- $svc := printf "%s.svc" $in }}
{{- $cluster := printf "%s.%s" $svc $root.Values.clusterDomain }}
{{- $dns = list $name $in $svc $cluster "localhost" }}
{{- $ip = list "127.0.0.1" "::1" }}
{{- if eq $part "worker" }}
{{- /* Each pod has a name of its own below that of the headless Service. */}}
{{- range list $name $in $svc $cluster }}{{ $dns = append $dns (printf "*.%s" .) }}{{ end }}
{{- else }}
{{- range $root.Values.tls.coordinatorNames }}
{{- if or (contains ":" .) (regexMatch "^[0-9.]+$" .) }}{{ $ip = append $ip . }}{{ else }}{{ $dns = append $dns . }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- dict "dns" $dns "ip" $ip | toJson }}
{{- end }}

{{/* fanout.tlsArgs is the flags for the certificate of a pod. */}}
{{- define "fanout.tlsArgs" -}}
- --tls-ca=/etc/fanout/tls/ca.crt
- --tls-cert=/etc/fanout/tls/tls.crt
- --tls-key=/etc/fanout/tls/tls.key
{{- end }}

{{/* fanout.tlsMount and fanout.tlsVolume bring the certificate there: as a directory, since a single file would never change. */}}
{{- define "fanout.tlsMount" -}}
- {name: tls, mountPath: /etc/fanout/tls, readOnly: true}
{{- end }}
{{- define "fanout.tlsVolume" -}}
- name: tls
  secret: {secretName: {{ include "fanout.tlsSecret" . }}, defaultMode: 0440}
{{- end }}
