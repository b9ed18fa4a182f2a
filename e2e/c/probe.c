/*
 * Sends and answers probes inside network namespaces; used by the e2e tests.
 *   margay-probe serve NETNS PORT...   answers TCP, UDP and SCTP on each port, IPv4 and IPv6; prints "ready"
 *   margay-probe fire IDLE_MS          reads probes from stdin, sends all at once, prints one verdict a line
 *   margay-probe stream NETNS SOURCE SOURCE_PORT ADDRESS PORT PACKETS_PER_SECOND
 *                                      sends numbered datagrams until stdin ends, prints what came back, as JSON
 */
#include "probe.h"

#include <string.h>

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "serve") == 0) return serve(argc - 2, argv + 2);
  if (argc > 1 && strcmp(argv[1], "fire") == 0) return fire(argc - 2, argv + 2);
  if (argc > 1 && strcmp(argv[1], "stream") == 0) return stream(argc - 2, argv + 2);
  die("usage: margay-probe serve|fire|stream ...");
}
