#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PACKETS = 1 << 20, STRAGGLERS_MS = 1000, MAX_RANGES = 20 };

static uint8_t answers[MAX_PACKETS];
static unsigned sent, answered, duplicates, send_errors;
static int64_t last_answer_ms, longest_gap_ms;

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int open_stream(char **argv) {
  struct endpoint source, target;
  if (enter_netns(argv[0]) == -1) die("%s: %m", argv[0]);
  if (parse_endpoint(&source, argv[1], atoi(argv[2])) == -1) die("no address: %s", argv[1]);
  if (parse_endpoint(&target, argv[3], atoi(argv[4])) == -1) die("no address: %s", argv[3]);
  int fd = socket(target.address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd == -1) die("socket: %m");
  grow_buffers(fd);
  if (bind(fd, (struct sockaddr *)&source.address, source.length) == -1) die("bind: %m");
  if (connect(fd, (struct sockaddr *)&target.address, target.length) == -1) die("connect: %m");
  return fd;
}

static void send_next(int fd) {
  char token[TOKEN_SIZE + 1];
  snprintf(token, sizeof token, "%024u", sent);
  if (send(fd, token, TOKEN_SIZE, 0) == -1) send_errors++;
  sent++;
}

static void receive_all(int fd) {
  for (;;) {
    char answer[ANSWER_SIZE + 1] = {0};
    ssize_t size = recv(fd, answer, ANSWER_SIZE, 0);
    if (size == -1 && errno == EAGAIN) return;
    if (size == -1) {
      send_errors++; /* an ICMP error for an earlier packet */
      continue;
    }
    unsigned number = strtoul(answer, NULL, 10);
    if (number >= sent) die("an answer to what was not sent: %s", answer);
    if (answers[number]) duplicates++;
    else answered++;
    answers[number] = 1;
    int64_t now = now_ms();
    if (last_answer_ms != 0 && now - last_answer_ms > longest_gap_ms) longest_gap_ms = now - last_answer_ms;
    last_answer_ms = now;
  }
}

static void report(void) {
  printf("{\"sent\":%u,\"answered\":%u,\"duplicates\":%u,\"errors\":%u,\"longestGapMs\":%lld,\"lost\":[", sent, answered,
         duplicates, send_errors, (long long)longest_gap_ms);
  int ranges = 0;
  for (unsigned at = 0; at < sent && ranges < MAX_RANGES; at++) {
    if (answers[at]) continue;
    unsigned first = at;
    while (at + 1 < sent && !answers[at + 1]) at++;
    printf("%s[%u,%u]", ranges++ == 0 ? "" : ",", first, at);
  }
  puts("]}");
}

int stream(int argc, char **argv) {
  if (argc != 6) die("usage: margay-probe stream NETNS SOURCE SOURCE_PORT ADDRESS PORT PACKETS_PER_SECOND");
  int fd = open_stream(argv);
  int64_t step = 1000000000 / atoi(argv[5]);
  int64_t due = now_ns();
  int64_t end_ms = 0;
  while (end_ms == 0 || (now_ms() < end_ms && answered < sent)) {
    struct pollfd sources[2] = {{.fd = fd, .events = POLLIN}, {.fd = end_ms == 0 ? 0 : -1, .events = POLLIN}};
    int64_t wait = end_ms != 0 ? 10000000 : due - now_ns();
    struct timespec timeout = {.tv_sec = 0, .tv_nsec = wait < 0 ? 0 : wait};
    if (ppoll(sources, 2, &timeout, NULL) == -1 && errno != EINTR) die("ppoll: %m");
    receive_all(fd);
    if (end_ms == 0 && sources[1].revents != 0) end_ms = now_ms() + STRAGGLERS_MS;
    for (; end_ms == 0 && now_ns() >= due && sent < MAX_PACKETS; due += step) send_next(fd);
  }
  report();
  return 0;
}
