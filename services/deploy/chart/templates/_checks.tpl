{{/*
fanout.hasKeys fails if the cluster, where it can be asked, has no secret with the keys: (list $ "tls.existing.workerSecret" NAME KEYS).
*/}}
{{- define "fanout.hasKeys" -}}
{{- $root := index . 0 }}{{ $value := index . 1 }}{{ $name := index . 2 }}
{{- if include "fanout.canAsk" $root }}
{{- $secret := lookup "v1" "Secret" $root.Release.Namespace $name }}
{{- if not $secret }}
{{- fail (printf "%s: the namespace %s has no secret %q; make it first, or name another." $value $root.Release.Namespace $name) }}
{{- end }}
{{- range index . 3 }}
{{- if not (hasKey ($secret.data | default dict) .) }}
{{- fail (printf "%s: the secret %q in the namespace %s has no key %q; add it, or name another secret." $value $name $root.Release.Namespace .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* fanout.hasAPI fails if the cluster, where it can be asked, does not have the kind: (list $ VALUE "cert-manager.io/v1/Certificate" WHAT). */}}
{{- define "fanout.hasAPI" -}}
{{- $root := index . 0 }}
{{- if and (include "fanout.canAsk" $root) (not ($root.Capabilities.APIVersions.Has (index . 2))) }}
{{- fail (printf "%s: this cluster does not know %s; %s." (index . 1) (index . 2) (index . 3)) }}
{{- end }}
{{- end }}

{{/* fanout.checkTLS says what is wrong with tls and with tokens. */}}
{{- define "fanout.checkTLS" -}}
{{- $tls := .Values.tls }}{{ $tokens := .Values.tokens }}{{ $run := .Values.run }}
{{- if eq $tls.mode "existing" }}
{{- range $part := list "worker" "coordinator" "client" }}
{{- $value := printf "tls.existing.%sSecret" $part }}
{{- $name := get $tls.existing (printf "%sSecret" $part) }}
{{- if not $name }}
{{- fail (printf "%s is empty, and tls.mode is existing; name the secret with tls.crt, tls.key and ca.crt, or choose another mode." $value) }}
{{- end }}
{{- include "fanout.hasKeys" (list $ $value $name (list "tls.crt" "tls.key" "ca.crt")) }}
{{- end }}
{{- else if eq $tls.mode "certManager" }}
{{- include "fanout.hasAPI" (list . "tls.mode certManager" "cert-manager.io/v1/Certificate" "install cert-manager first, or choose tls.mode generated") }}
{{- end }}
{{- with $tokens.existingSecret }}
{{- if eq $tls.mode "disabled" }}
{{- fail "tokens.existingSecret is set, and tls.mode is disabled; a token would be readable on the way: choose another mode, or leave the tokens out." }}
{{- end }}
{{- include "fanout.hasKeys" (list $ "tokens.existingSecret" . (list $tokens.key)) }}
{{- end }}
{{- with $run.tokenSecret.name }}
{{- if eq $tls.mode "disabled" }}
{{- fail "run.tokenSecret.name is set, and tls.mode is disabled; a token would be readable on the way: choose another mode, or leave the token out." }}
{{- end }}
{{- include "fanout.hasKeys" (list $ "run.tokenSecret.name" . (list $run.tokenSecret.key)) }}
{{- end }}
{{- end }}

{{/* fanout.checkLoad says what is wrong with what is to be sent, and with who sends it. */}}
{{- define "fanout.checkLoad" -}}
{{- range .Values.allowedTargets }}
{{- $_ := include "fanout.rule" . }}
{{- end }}
{{- $run := .Values.run }}
{{- if and $run.url (not (regexMatch "^https?://[^/\\s]+\\S*$" $run.url)) }}
{{- fail (printf "run.url %q is no http or https URL; write it whole, as http://shop.default.svc/." $run.url) }}
{{- end }}
{{- if and $run.url (not .Values.allowedTargets) }}
{{- fail (printf "run.url is %q, and allowedTargets is empty, so that nothing may be sent; add the URL's host to allowedTargets." $run.url) }}
{{- end }}
{{- if and $run.args (not $run.url) }}
{{- fail "run.args is set, and run.url is empty; give the URL of the run too, or leave run.args out." }}
{{- end }}
{{- $hpa := .Values.worker.hpa }}
{{- if $hpa.enabled }}
{{- if gt (int $hpa.minReplicas) (int $hpa.maxReplicas) }}
{{- fail (printf "worker.hpa.minReplicas %d is beyond worker.hpa.maxReplicas %d; raise the one, or lower the other." (int $hpa.minReplicas) (int $hpa.maxReplicas)) }}
{{- end }}
{{- if not ((.Values.worker.resources | default dict).requests | default dict).cpu }}
{{- fail "worker.hpa.enabled is true, and worker.resources.requests.cpu is not set, of which the target is a percentage; set it." }}
{{- end }}
{{- end }}
{{- end }}
