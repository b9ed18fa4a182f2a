#!/bin/sh
# Puts the CNI plugin and its configuration onto the node. The plugin goes first: once the configuration is there, the
# kubelet calls the node ready and the runtime starts pods. Each file is written aside and renamed, so that the runtime
# never meets half of one.
set -eu
: "${CNI_PLUGIN:?}" "${CNI_CONFIG:?}" "${CNI_BIN_DIR:?}" "${CNI_CONF_DIR:?}" "${CNI_CONF_NAME:?}"

# Unchanged files are left alone: a runtime reloads its configuration whenever one is written.
install_file() {
  if cmp -s "$1" "$2"; then
    echo "$2 is up to date"
    return
  fi
  aside="$(dirname "$2")/.margay.$$"
  trap 'rm -f "$aside"' EXIT
  cp "$1" "$aside"
  chmod "$3" "$aside"
  sync "$aside"
  mv -f "$aside" "$2"
  trap - EXIT
  echo "wrote $2"
}

install_file "$CNI_PLUGIN" "$CNI_BIN_DIR/margay" 755
install_file "$CNI_CONFIG" "$CNI_CONF_DIR/$CNI_CONF_NAME" 644
