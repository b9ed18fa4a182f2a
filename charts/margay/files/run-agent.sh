#!/bin/sh
# Runtimes mount /proc/sys read-only into containers that are not privileged; the agent sets its interfaces' sysctls.
# To be privileged would do as well, and hand over every device of the node besides.
set -eu
[ -w /proc/sys/net/ipv4/ip_forward ] || mount -o remount,bind,rw /proc/sys
exec margay agent
