{{/*
fanout.rule is one of allowedTargets, taken apart as fanout does it, as JSON: {"kind", "target", "from", "to"}; from 0 is every port. The
kinds: any, near (loopback), address, cidr, host, below (names below a name). What is no rule fails the rendering, as far as it can be
told here; the worker is exact, and refuses to start.
*/}}
{{- define "fanout.rule" -}}
{{- $text := . }}
{{- if not $text }}
{{- include "fanout.noRule" (list $text "is empty; write a host, an address, a CIDR or *") }}
{{- else if contains "://" $text }}
{{- include "fanout.noRule" (list $text "has a scheme; write the host alone, with :PORT if only that is meant") }}
{{- else if contains "," $text }}
{{- include "fanout.noRule" (list $text "has a comma; give each target an entry of its own") }}
{{- end }}
{{- $target := $text }}{{ $ports := "" }}
{{- /* Only an IPv6 address has a colon that does not begin the ports; with ports it is in brackets. */}}
{{- if hasPrefix "[" $text }}
{{- if not (regexMatch "^\\[[^]]*:[^]]*\\](:.+)?$" $text) }}
{{- include "fanout.noRule" (list $text "is not [ADDRESS]:PORT, of an IPv6 address or CIDR") }}
{{- end }}
{{- $target = regexFind "^\\[[^]]*" $text | trimPrefix "[" }}
{{- $ports = regexReplaceAll "^\\[[^]]*\\]:?" $text "" }}
{{- else if eq (splitList ":" $text | len) 2 }}
{{- $target = splitList ":" $text | first }}
{{- $ports = splitList ":" $text | last }}
{{- if not $ports }}
{{- include "fanout.noRule" (list $text "has a colon and no port behind it; add the port, or drop the colon for every port") }}
{{- else if not $target }}
{{- include "fanout.noRule" (list $text "has a port and no host before it; write * for every host") }}
{{- end }}
{{- end }}
{{- $from := 0 }}{{ $to := 0 }}
{{- if $ports }}
{{- $from = splitList "-" $ports | first | int }}
{{- $to = splitList "-" $ports | last | int }}
{{- if or (not (regexMatch "^[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?$" $ports)) (gt (max $from $to) 65535) }}
{{- include "fanout.noRule" (list $text "has a port that is not one; write 1 to 65535, or a range as 8000-8099") }}
{{- else if gt $from $to }}
{{- include "fanout.noRule" (list $text "has ports that run backwards; write the lower one first") }}
{{- end }}
{{- end }}
{{- $target = lower $target }}
{{- $octet := "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])" }}
{{- $kind := "host" }}
{{- if eq $target "*" }}
{{- $kind = "any" }}
{{- else if regexMatch "^(0*:)*:?ffff:" $target }}
{{- include "fanout.noRule" (list $text "is an IPv4 address within an IPv6 one; write the IPv4 address") }}
{{- else if contains "/" $target }}
{{- $kind = "cidr" }}
{{- if not (regexMatch (printf "^((%s\\.){3}%s/(3[0-2]|[12]?[0-9])|[0-9a-f.]*:[0-9a-f:.]*/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))$" $octet $octet) $target) }}
{{- include "fanout.noRule" (list $text "is no CIDR; write one as 10.0.0.0/8, with a port as 10.0.0.0/8:443 or [fd00::/8]:443, and a host without a path") }}
{{- end }}
{{- else if and (contains ":" $target) (not (regexMatch "^[0-9a-f:.]+$" $target)) }}
{{- include "fanout.noRule" (list $text "is no address; write an IPv6 address with a port as [ADDRESS]:PORT, and a host without a scheme") }}
{{- else if or (contains ":" $target) (regexMatch (printf "^(%s\\.){3}%s$" $octet $octet) $target) }}
{{- $kind = "address" }}
{{- else }}
{{- $target = trimSuffix "." $target }}
{{- if hasPrefix "." (trimPrefix "*" $target) }}
{{- $kind = "below" }}
{{- $target = trimPrefix "*" $target | trimPrefix "." }}
{{- else if eq $target "localhost" }}
{{- $kind = "near" }}
{{- end }}
{{- if regexMatch "(^|\\.)([0-9]+|0x[0-9a-f]*)$" $target }}
{{- include "fanout.noRule" (list $text "ends in a number and is no address in the form a.b.c.d; write the address in that form") }}
{{- else if or (not $target) (regexMatch "^-|-$|\\.\\.|\\.-|-\\.|^\\.|[*@\\s]" $target) }}
{{- include "fanout.noRule" (list $text "is neither a host, an address, a CIDR nor *; write a host without scheme, path and userinfo") }}
{{- end }}
{{- end }}
{{- dict "kind" $kind "target" $target "from" $from "to" $to | toJson }}
{{- end }}

{{- define "fanout.noRule" -}}
{{- fail (printf "allowedTargets: %q %s." (index . 0) (index . 1)) }}
{{- end }}

{{/*
fanout.targetPolicy is the egress of a network policy for a rule, as JSON: a list of its rules. A policy sees addresses, and ports of pods:

  - A host may have any address but those that no name may lead to: of the link, and metadata. The worker's guard is exact about the name.
  - Behind the name of a Service are pods, at ports that are not the Service's; so any port of the pods in its namespace. A name with one
    or two labels may be a Service's or not, and gets both.
  - The peer of all namespaces stands for pods where addresses of CIDRs do not, as with Cilium.
*/}}
{{- define "fanout.targetPolicy" -}}
{{- $root := index . 0 }}{{ $rule := include "fanout.rule" (index . 1) | fromJson }}
{{- $ports := list (dict "protocol" "TCP") }}
{{- if $rule.from }}
{{- $ports = list (dict "protocol" "TCP" "port" $rule.from "endPort" $rule.to) }}
{{- end }}
{{- $four := dict "cidr" "0.0.0.0/0" "except" (list "0.0.0.0/8" "100.100.100.200/32" "168.63.129.16/32" "169.254.0.0/16" "192.0.0.192/32" "224.0.0.0/4") }}
{{- $six := dict "cidr" "::/0" "except" (list "fd00:ec2::23/128" "fd00:ec2::254/128" "fe80::/10" "ff00::/8") }}
{{- $peers := list }}
{{- $namespace := "" }}
{{- $outside := eq $rule.kind "any" }}
{{- if eq $rule.kind "cidr" }}
{{- $all := dict "0.0.0.0/0" $four "::/0" $six }}
{{- $peers = list (dict "ipBlock" (get $all $rule.target | default (dict "cidr" $rule.target))) }}
{{- else if eq $rule.kind "address" }}
{{- $peers = list (dict "ipBlock" (dict "cidr" (printf "%s/%s" $rule.target (contains ":" $rule.target | ternary "128" "32")))) }}
{{- else if or (eq $rule.kind "host") (eq $rule.kind "below") }}
{{- $inCluster := trimSuffix (printf ".%s" $root.Values.clusterDomain) $rule.target }}
{{- $labels := splitList "." $inCluster }}
{{- if hasSuffix ".svc" $inCluster }}
{{- /* POD.SERVICE.NAMESPACE.svc, SERVICE.NAMESPACE.svc, or names below NAMESPACE.svc. */}}
{{- $namespace = index $labels (sub (len $labels) 2) }}
{{- else if and (eq $inCluster "svc") (eq $rule.kind "below") }}
{{- $peers = list (dict "namespaceSelector" dict) }}
{{- $ports = list (dict "protocol" "TCP") }}
{{- else }}
{{- $outside = true }}
{{- if eq $rule.kind "host" | ternary (len $labels) (add1 (len $labels)) | eq 2 }}
{{- $namespace = last $labels }}
{{- else if and (eq $rule.kind "host") (eq (len $labels) 1) }}
{{- $namespace = $root.Release.Namespace }}
{{- end }}
{{- end }}
{{- end }}
{{- $egress := list }}
{{- if $outside }}
{{- $peers = list (dict "ipBlock" $four) (dict "ipBlock" $six) (dict "namespaceSelector" dict) }}
{{- end }}
{{- with $peers }}{{ $egress = append $egress (dict "to" . "ports" $ports) }}{{ end }}
{{- if regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" $namespace }}
{{- $selector := dict "namespaceSelector" (dict "matchLabels" (dict "kubernetes.io/metadata.name" $namespace)) }}
{{- $egress = append $egress (dict "to" (list $selector) "ports" (list (dict "protocol" "TCP"))) }}
{{- end }}
{{- toJson $egress }}
{{- end }}
