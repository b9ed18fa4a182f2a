#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

enum { MAX_PORTS = 64, MAX_FD = 65536 };
enum role { LISTENER = 1, CONNECTION, DATAGRAM, RAW };

static uint16_t ports[MAX_PORTS];
static int port_count;
static uint8_t roles[MAX_FD];
static int queue;

static void watch(int fd, enum role role) {
  if (fd == -1 || fd >= MAX_FD) die("socket: %m");
  roles[fd] = role;
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event) == -1) die("epoll_ctl: %m");
}

static int bound(int family, int type, unsigned port) {
  struct endpoint any;
  if (parse_endpoint(&any, family == AF_INET ? "0.0.0.0" : "::", port) == -1) die("no address for family %d", family);
  int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd == -1) die("socket: %m");
  if (family == AF_INET6) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (bind(fd, (struct sockaddr *)&any.address, any.length) == -1) die("bind port %u: %m", port);
  return fd;
}

static void open_sockets(int family) {
  for (int at = 0; at < port_count; at++) {
    int listener = bound(family, SOCK_STREAM, ports[at]);
    if (listen(listener, 4096) == -1) die("listen: %m");
    watch(listener, LISTENER);
    int datagram = bound(family, SOCK_DGRAM, ports[at]);
    grow_buffers(datagram);
    watch(datagram, DATAGRAM);
  }
  int raw = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_SCTP);
  if (raw == -1) die("raw socket: %m");
  grow_buffers(raw);
  watch(raw, RAW);
}

/* The request, a space and the client's address. */
static size_t write_answer(char *answer, const char *request, size_t size, const struct sockaddr_storage *from) {
  if (size > TOKEN_SIZE) size = TOKEN_SIZE;
  memcpy(answer, request, size);
  answer[size] = ' ';
  address_text(from, answer + size + 1);
  return size + 1 + strlen(answer + size + 1);
}

/* A peer that is gone, or that nothing reaches: its probe is silent, and that is its verdict. */
static int is_peers_trouble(int error) {
  return is_transient(error) || error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
         error == EPERM || error == ENOBUFS || error == ECONNRESET || error == EPIPE || error == EPROTO;
}

static void reply(int fd, const void *octets, size_t size, const struct sockaddr_storage *to, socklen_t length) {
  if (sendto(fd, octets, size, MSG_NOSIGNAL, (const struct sockaddr *)to, length) == -1 && !is_peers_trouble(errno))
    die("send: %m");
}

static void accept_all(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd != -1) watch(fd, CONNECTION);
    else if (is_peers_trouble(errno) || errno == ECONNABORTED) return;
    else die("accept: %m");
  }
}

static void answer_connection(int fd) {
  char request[TOKEN_SIZE], answer[ANSWER_SIZE];
  struct sockaddr_storage from;
  socklen_t length = sizeof from;
  ssize_t size = recv(fd, request, sizeof request, 0);
  if (size > 0 && getpeername(fd, (struct sockaddr *)&from, &length) == 0)
    return reply(fd, answer, write_answer(answer, request, size, &from), NULL, 0);
  if (size == -1 && is_transient(errno)) return;
  close(fd);
}

static void answer_datagrams(int fd) {
  for (;;) {
    char request[TOKEN_SIZE], answer[ANSWER_SIZE];
    struct sockaddr_storage from;
    socklen_t length = sizeof from;
    ssize_t size = recvfrom(fd, request, sizeof request, 0, (struct sockaddr *)&from, &length);
    if (size == -1 && errno == EAGAIN) return;
    if (size == -1 && is_peers_trouble(errno)) continue;
    if (size == -1) die("recvfrom: %m");
    reply(fd, answer, write_answer(answer, request, size, &from), &from, length);
  }
}

static void answer_inits(int fd) {
  for (;;) {
    uint8_t packet[SCTP_MAX], answer[SCTP_MAX];
    char cookie[INET6_ADDRSTRLEN];
    struct sockaddr_storage from;
    socklen_t length = sizeof from;
    ssize_t got = recvfrom(fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &length);
    if (got == -1 && errno == EAGAIN) return;
    if (got == -1 && is_peers_trouble(errno)) continue;
    if (got == -1) die("recvfrom raw: %m");
    size_t size = got;
    const uint8_t *sctp = sctp_payload(from.ss_family, packet, &size);
    address_text(&from, cookie);
    for (int at = 0; sctp != NULL && at < port_count; at++) {
      size_t written = sctp_init_ack(answer, sctp, size, ports[at], cookie);
      if (written == 0) continue;
      if (from.ss_family == AF_INET6) ((struct sockaddr_in6 *)&from)->sin6_port = 0; /* raw sockets take no port */
      reply(fd, answer, written, &from, length);
    }
  }
}

int serve(int argc, char **argv) {
  if (argc < 2 || argc - 1 > MAX_PORTS) die("usage: margay-probe serve NETNS PORT...");
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (enter_netns(argv[0]) == -1) die("%s: %m", argv[0]);
  for (int at = 1; at < argc; at++) ports[port_count++] = atoi(argv[at]);
  queue = epoll_create1(EPOLL_CLOEXEC);
  open_sockets(AF_INET);
  open_sockets(AF_INET6);
  puts("ready");
  fflush(stdout);
  for (;;) {
    struct epoll_event events[256];
    int count = epoll_wait(queue, events, 256, -1);
    if (count == -1 && errno != EINTR) die("epoll_wait: %m");
    for (int at = 0; at < count; at++) {
      int fd = events[at].data.fd;
      switch ((enum role)roles[fd]) {
        case LISTENER: accept_all(fd); break;
        case CONNECTION: answer_connection(fd); break;
        case DATAGRAM: answer_datagrams(fd); break;
        case RAW: answer_inits(fd); break;
      }
    }
  }
}
