#define _GNU_SOURCE
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("margay-probe: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int enter_netns(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd == -1) return -1;
  int result = setns(fd, CLONE_NEWNET);
  int error = errno;
  close(fd);
  errno = error;
  return result;
}

int parse_endpoint(struct endpoint *endpoint, const char *text, unsigned port) {
  memset(endpoint, 0, sizeof *endpoint);
  struct sockaddr_in *v4 = (struct sockaddr_in *)&endpoint->address;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&endpoint->address;
  if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    endpoint->length = sizeof *v4;
  } else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    endpoint->length = sizeof *v6;
  } else {
    return -1;
  }
  set_port(endpoint, port);
  return 0;
}

void set_port(struct endpoint *endpoint, unsigned port) {
  if (endpoint->address.ss_family == AF_INET) ((struct sockaddr_in *)&endpoint->address)->sin_port = htons(port);
  else ((struct sockaddr_in6 *)&endpoint->address)->sin6_port = htons(port);
}

void address_text(const struct sockaddr_storage *address, char *out) {
  const void *octets = address->ss_family == AF_INET ? (const void *)&((const struct sockaddr_in *)address)->sin_addr
                                                     : (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr;
  if (inet_ntop(address->ss_family, octets, out, INET6_ADDRSTRLEN) == NULL) die("inet_ntop: %m");
}

void set_option(int fd, int level, int name, int value) {
  if (setsockopt(fd, level, name, &value, sizeof value) == -1) die("setsockopt %d %d: %m", level, name);
}

void grow_buffers(int fd) { set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20); }

int is_transient(int error) { return error == EAGAIN || error == EINTR; }
