{{- /* What all pods share. Each is given a dict of `root` and `service`. */ -}}

{{- define "ansinh.selector" -}}
app.kubernetes.io/name: ansinh
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end }}

{{- define "ansinh.labels" -}}
{{ include "ansinh.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{- define "ansinh.image" -}}
image: "{{ .root.Values.image.repository }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}"
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end }}

{{- define "ansinh.account" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "ansinh.database" -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .root.Values.secrets.database.name }}
      key: {{ .root.Values.secrets.database.key }}
- name: NATS_URL
  value: {{ .root.Values.nats.url | quote }}
{{- end }}

{{- define "ansinh.template" -}}
{{- $values := .root.Values -}}
{{- $console := eq .service "console" -}}
metadata:
  labels:
    {{- include "ansinh.labels" . | nindent 4 }}
  annotations:
    # Settings are read once, at the start.
    checksum/settings: {{ $values.settings | sha256sum }}
spec:
  {{- include "ansinh.account" . | nindent 2 }}
  # Transactions in hand, connections and telemetry are given 47 seconds at most.
  terminationGracePeriodSeconds: 60
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "ansinh.selector" . | nindent 10 }}
  initContainers:
    # A Secret's file is root's, so a group has to read it, and what a group can read is refused: a copy is ours
    # alone, and in memory.
    - name: keys
      {{- include "ansinh.image" . | nindent 6 }}
      command: [install, --mode=0600, --target-directory=/run/ansinh]
      {{- if $console }}
      args: [/secrets/nkey, /secrets/cookie-key]
      {{- else }}
      args: [/secrets/nkey, /secrets/keys]
      {{- end }}
      resources:
        requests: { cpu: 10m, memory: 16Mi }
        limits: { memory: 32Mi }
      volumeMounts:
        - { name: secrets, mountPath: /secrets, readOnly: true }
        - { name: keys, mountPath: /run/ansinh }
  containers:
    - name: {{ .service }}
      {{- include "ansinh.image" . | nindent 6 }}
      args: [serve, {{ .service }}]
      env:
        {{- if $console }}
        # It has neither database nor keys, so that whoever breaks it open finds nothing inside.
        - name: NATS_URL
          value: {{ $values.nats.url | quote }}
        - name: ANSINH_CONSOLE__LISTEN
          value: 0.0.0.0:8026
        - name: ANSINH_CONSOLE__PUBLIC_URL
          value: {{ $values.console.publicUrl | quote }}
        - name: ANSINH_CONSOLE__PROXIES
          value: {{ $values.console.proxies | quote }}
        - name: ANSINH_CONSOLE__COOKIE_KEY_FILE
          value: /run/ansinh/cookie-key
        {{- else }}
        {{- include "ansinh.database" . | nindent 8 }}
        - name: ANSINH_KEYS__FILE
          value: /run/ansinh/keys
        {{- end }}
        {{- if eq .service "audit" }}
        - name: ANSINH_PROOF__LOG_DIR
          value: /var/lib/ansinh/log
        {{- end }}
        - name: ANSINH_NATS__MONITOR_URL
          value: {{ $values.nats.monitorUrl | quote }}
        - name: ANSINH_NATS__NKEY_FILE
          value: /run/ansinh/nkey
        - name: ANSINH_HTTP__LISTEN
          value: 0.0.0.0:8080
        - name: ANSINH_CONFIG
          value: /etc/ansinh/ansinh.toml
      ports:
        - { name: health, containerPort: 8080 }
        {{- if $console }}
        - { name: door, containerPort: 8026 }
        {{- end }}
      # It answers when it has found its servers, for which it takes half a minute at most.
      startupProbe:
        httpGet: { path: /healthz, port: health }
        periodSeconds: 2
        failureThreshold: 30
      livenessProbe:
        httpGet: { path: /healthz, port: health }
        periodSeconds: 10
        timeoutSeconds: 3
      # Each of its checks may take two seconds.
      readinessProbe:
        httpGet: { path: /readyz, port: health }
        periodSeconds: 5
        timeoutSeconds: 3
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      volumeMounts:
        - { name: settings, mountPath: /etc/ansinh, readOnly: true }
        - { name: keys, mountPath: /run/ansinh, readOnly: true }
        {{- if eq .service "audit" }}
        - { name: log, mountPath: /var/lib/ansinh }
        {{- end }}
  volumes:
    - name: settings
      configMap: { name: {{ .root.Release.Name }}-settings }
    - name: keys
      emptyDir: { medium: Memory, sizeLimit: 1Mi }
    - name: secrets
      projected:
        defaultMode: 0440
        sources:
          - secret:
              name: {{ $values.secrets.nats.name }}
              items: [{ key: {{ $values.secrets.nats.key }}, path: nkey }]
          {{- if $console }}
          - secret:
              name: {{ $values.secrets.cookie.name }}
              items: [{ key: {{ $values.secrets.cookie.key }}, path: cookie-key }]
          {{- else }}
          - secret:
              name: {{ $values.secrets.keys.name }}
              items: [{ key: {{ $values.secrets.keys.key }}, path: keys }]
          {{- end }}
{{- end }}
