#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

enum { MAX_PROBES = 16384 };

struct probe {
  char netns[256];
  enum protocol protocol;
  int has_source;
  struct endpoint source, target;
  unsigned source_port, port;
  int fd;
  int has_sent;
  uint32_t tag;
  char token[TOKEN_SIZE + 1];
  char verdict[128];
};

static struct probe probes[MAX_PROBES];
static int count;

static void conclude(struct probe *probe, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(probe->verdict, sizeof probe->verdict, format, arguments);
  va_end(arguments);
  if (probe->fd != -1) close(probe->fd);
  probe->fd = -1;
}

/* An answer from the network that says no: a policy that drops gives none. */
static int is_refusal(int error) {
  return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH || error == ECONNRESET ||
         error == EACCES || error == EPROTO || error == ENOPROTOOPT;
}

static void conclude_error(struct probe *probe, const char *stage) {
  if (probe->has_sent && is_refusal(errno)) conclude(probe, "refused %s", strerrorname_np(errno));
  else conclude(probe, "error %s: %s", stage, strerrorname_np(errno));
}

/* One line: NETNS tcp|udp|sctp SOURCE|- SOURCE_PORT ADDRESS PORT */
static void parse(const char *line) {
  if (count == MAX_PROBES) die("more than %d probes", MAX_PROBES);
  struct probe *probe = &probes[count++];
  char protocol[8], source[64], target[64];
  if (sscanf(line, "%255s %7s %63s %u %63s %u", probe->netns, protocol, source, &probe->source_port, target,
             &probe->port) != 6)
    die("not a probe: %s", line);
  probe->fd = -1;
  probe->protocol = strcmp(protocol, "tcp") == 0 ? TCP : strcmp(protocol, "udp") == 0 ? UDP : SCTP;
  if (probe->protocol == SCTP && strcmp(protocol, "sctp") != 0) die("no protocol: %s", protocol);
  int is_raw = probe->protocol == SCTP;
  if (parse_endpoint(&probe->target, target, is_raw ? 0 : probe->port) == -1) die("no address: %s", target);
  probe->has_source = strcmp(source, "-") != 0;
  const char *any = probe->target.address.ss_family == AF_INET ? "0.0.0.0" : "::";
  const char *from = probe->has_source ? source : any;
  if (parse_endpoint(&probe->source, from, is_raw ? 0 : probe->source_port) == -1) die("no address: %s", source);
  uint64_t random;
  if (getrandom(&random, sizeof random, 0) != sizeof random) die("getrandom: %m");
  probe->tag = (uint32_t)random | 1;
  snprintf(probe->token, sizeof probe->token, "%016llx%08x", (unsigned long long)random, (unsigned)count);
}

static void send_token(struct probe *probe) {
  uint8_t packet[SCTP_MAX];
  const void *octets = probe->token;
  size_t size = TOKEN_SIZE;
  if (probe->protocol == SCTP) {
    size = sctp_init(packet, probe->source_port, probe->port, probe->tag);
    octets = packet;
  }
  if (send(probe->fd, octets, size, MSG_NOSIGNAL) == -1) return conclude_error(probe, "send");
  probe->has_sent = 1;
}

static void start(struct probe *probe, int queue, uint32_t index) {
  int family = probe->target.address.ss_family;
  int type = probe->protocol == TCP ? SOCK_STREAM : probe->protocol == UDP ? SOCK_DGRAM : SOCK_RAW;
  if (enter_netns(probe->netns) == -1) return conclude_error(probe, "setns");
  probe->fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, probe->protocol == SCTP ? IPPROTO_SCTP : 0);
  if (probe->fd == -1) return conclude_error(probe, "socket");
  if (probe->protocol != SCTP) set_option(probe->fd, SOL_SOCKET, SO_REUSEADDR, 1);
  /* A source that is not the namespace's own may be sent from, too: the network must stop that, not the sender. */
  if (probe->has_source && family == AF_INET) set_option(probe->fd, IPPROTO_IP, IP_TRANSPARENT, 1);
  if (probe->has_source && family == AF_INET6) set_option(probe->fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
  if (bind(probe->fd, (struct sockaddr *)&probe->source.address, probe->source.length) == -1)
    return conclude_error(probe, "bind");
  if (probe->protocol == TCP) {
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(probe->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  int connected = connect(probe->fd, (struct sockaddr *)&probe->target.address, probe->target.length);
  if (connected == -1 && !(probe->protocol == TCP && errno == EINPROGRESS)) return conclude_error(probe, "connect");
  if (probe->protocol == TCP) probe->has_sent = 1;
  else send_token(probe);
  if (probe->fd == -1) return;
  struct epoll_event event = {.events = probe->protocol == TCP ? EPOLLOUT : EPOLLIN, .data.u32 = index};
  if (epoll_ctl(queue, EPOLL_CTL_ADD, probe->fd, &event) == -1) die("epoll_ctl: %m");
}

static void finish_connect(struct probe *probe, int queue, uint32_t index) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &length) == -1) die("SO_ERROR: %m");
  errno = error;
  if (error != 0) return conclude_error(probe, "connect");
  send_token(probe);
  if (probe->fd == -1) return;
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
  if (epoll_ctl(queue, EPOLL_CTL_MOD, probe->fd, &event) == -1) die("epoll_ctl: %m");
}

static void receive(struct probe *probe) {
  char packet[SCTP_MAX + 64];
  ssize_t got = recv(probe->fd, packet, sizeof packet - 1, 0);
  if (got == -1 && is_transient(errno)) return;
  if (got == -1) return conclude_error(probe, "recv");
  if (got == 0 && probe->protocol == TCP) return conclude(probe, "refused EOF");
  if (probe->protocol == SCTP) {
    size_t size = got;
    char seen[INET6_ADDRSTRLEN];
    const uint8_t *sctp = sctp_payload(probe->target.address.ss_family, (uint8_t *)packet, &size);
    if (sctp != NULL && sctp_is_answer(sctp, size, probe->source_port, probe->port, probe->tag, seen, sizeof seen))
      conclude(probe, "answered %s", seen);
    return;
  }
  packet[got] = '\0';
  if (got <= TOKEN_SIZE || memcmp(packet, probe->token, TOKEN_SIZE) != 0)
    return conclude(probe, "error wrong answer");
  conclude(probe, "answered %s", packet + TOKEN_SIZE + 1);
}

/* Until each has its verdict, or nothing has happened for `idle_ms`. */
static void collect(int queue, int idle_ms) {
  int64_t deadline = now_ms() + idle_ms;
  int open = 0;
  for (int at = 0; at < count; at++) open += probes[at].fd != -1;
  while (open > 0) {
    int64_t left = deadline - now_ms();
    if (left <= 0) return;
    struct epoll_event events[256];
    int ready = epoll_wait(queue, events, 256, left);
    if (ready == -1 && errno != EINTR) die("epoll_wait: %m");
    for (int at = 0; at < ready; at++) {
      struct probe *probe = &probes[events[at].data.u32];
      if (probe->fd == -1) continue;
      if (probe->protocol == TCP && events[at].events & EPOLLOUT) finish_connect(probe, queue, events[at].data.u32);
      else receive(probe);
      if (probe->fd != -1) continue;
      open--;
      deadline = now_ms() + idle_ms;
    }
  }
}

int fire(int argc, char **argv) {
  if (argc != 1) die("usage: margay-probe fire IDLE_MS");
  char line[512];
  while (fgets(line, sizeof line, stdin) != NULL) parse(line);
  int queue = epoll_create1(EPOLL_CLOEXEC);
  for (int at = 0; at < count; at++) start(&probes[at], queue, at);
  collect(queue, atoi(argv[0]));
  for (int at = 0; at < count; at++) puts(probes[at].verdict[0] == '\0' ? "silent" : probes[at].verdict);
  return 0;
}
