{{- define "margay.labels" -}}
app.kubernetes.io/name: margay
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "margay.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* Where the API server is, when the Service is not to be used. */}}
{{- define "margay.apiEnvironment" -}}
{{- if .Values.kubernetesApi.host }}
- name: KUBERNETES_SERVICE_HOST
  value: {{ .Values.kubernetesApi.host | quote }}
{{- end }}
{{- if .Values.kubernetesApi.port }}
- name: KUBERNETES_SERVICE_PORT
  value: {{ .Values.kubernetesApi.port | quote }}
{{- end }}
{{- end }}

{{- define "margay.hubFiles" -}}
- name: MARGAY_HUB_KEY_FILE
  value: /etc/margay/hub/tls.key
- name: MARGAY_HUB_CERT_FILE
  value: /etc/margay/hub/tls.crt
- name: MARGAY_HUB_CA_FILE
  value: /etc/margay/hub/ca.crt
{{- end }}

{{- /* Until spec 1.1 a configuration names one version; older runtimes ignore `cniVersions` and take 1.0.0. The chained
plugins are the node's own, and may be too old for 1.1.0. */}}
{{- define "margay.conflist" -}}
{{- $plugin := dict "type" "margay" }}
{{- with .Values.cni.mtu }}{{ $_ := set $plugin "mtu" (int .) }}{{ end }}
{{- $plugins := list $plugin }}
{{- if .Values.cni.portmap }}
{{- $plugins = append $plugins (dict "type" "portmap" "capabilities" (dict "portMappings" true)) }}
{{- end }}
{{- if .Values.cni.bandwidth }}
{{- $plugins = append $plugins (dict "type" "bandwidth" "capabilities" (dict "bandwidth" true)) }}
{{- end }}
{{- $conflist := dict "name" "margay" "cniVersion" "1.0.0" "plugins" $plugins }}
{{- if eq (len $plugins) 1 }}{{ $_ := set $conflist "cniVersions" (list "0.4.0" "1.0.0" "1.1.0") }}{{ end }}
{{- toPrettyJson $conflist }}
{{- end }}
