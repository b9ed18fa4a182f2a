/*
 * The CNI plugin that the container runtime executes (CNI spec 1.1). It hands the call to the node's agent over a unix
 * socket and gives back what the agent says. Without an agent it answers what needs none: VERSION, and DEL, which it
 * puts into a queue that the agent works off when it is back, for a pod must always be deletable.
 *
 * To the agent: "NAME=VALUE\0" for each CNI variable, "\0", then stdin, then end of file.
 * From the agent: one digit, the exit code, then what goes to stdout.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/margay/cni.sock"
#define DEFAULT_QUEUE "/var/lib/margay/cni-queue"
#define MAX_STDIN (1024 * 1024)
#define MAX_REPLY (4 * 1024 * 1024)
#define REPLY_TIMEOUT_SECONDS 220

/* Error codes of the CNI spec. */
enum { BAD_ENVIRONMENT = 4, IO_FAILURE = 5, DECODE_FAILURE = 6, TRY_AGAIN = 11, NOT_AVAILABLE = 50 };

static const char *const VARIABLES[] = {"CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_NETNS_OVERRIDE",
                                        "CNI_IFNAME",  "CNI_ARGS",        "CNI_PATH"};
#define VARIABLE_COUNT (sizeof VARIABLES / sizeof VARIABLES[0])

static char config[MAX_STDIN + 1];
static size_t config_length;
static char spec_version[16] = "1.1.0";

static const char *variable(const char *name, const char *fallback) {
  const char *value = getenv(name);
  return value != NULL && value[0] != '\0' ? value : fallback;
}

/* Writes a text as the inside of a JSON string. */
static void print_json(const char *text) {
  for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
    if (*at == '"' || *at == '\\') printf("\\%c", *at);
    else if (*at < 0x20 || *at >= 0x7f) printf("\\u%04x", *at);
    else putchar(*at);
  }
}

static int fail(int code, const char *message, const char *details) {
  printf("{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":\"", spec_version, code);
  print_json(message);
  printf("\",\"details\":\"");
  print_json(details);
  printf("\"}\n");
  return 1;
}

static int write_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t written = write(fd, bytes, length);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return -1;
    bytes += written;
    length -= (size_t)written;
  }
  return 0;
}

/* Reads until end of file. Returns -1 on error, -2 when there is more than `limit`. */
static ssize_t read_all(int fd, char *into, size_t limit) {
  size_t length = 0;
  for (;;) {
    char overflow;
    ssize_t got = length < limit ? read(fd, into + length, limit - length) : read(fd, &overflow, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) return (ssize_t)length;
    if (length >= limit) return -2;
    length += (size_t)got;
  }
}

/* Takes over the version that the configuration names, for answers that are made here. */
static void find_spec_version(void) {
  const char *at = strstr(config, "\"cniVersion\"");
  if (at == NULL) return;
  at += strlen("\"cniVersion\"");
  at += strspn(at, " \t\r\n:");
  if (*at++ != '"') return;
  size_t length = strspn(at, "0123456789.");
  if (length == 0 || length >= sizeof spec_version || at[length] != '"') return;
  memcpy(spec_version, at, length);
  spec_version[length] = '\0';
}

static int version(void) {
  printf("{\"cniVersion\":\"%s\",\"supportedVersions\":[\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n",
         spec_version);
  return 0;
}

static int connect_agent(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  struct timeval timeout = {.tv_sec = REPLY_TIMEOUT_SECONDS};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  int reason = errno;
  close(fd);
  errno = reason;
  return -1;
}

/* Writes the request as the agent reads it. */
static int write_request(int fd) {
  for (size_t index = 0; index < VARIABLE_COUNT; index++) {
    const char *value = getenv(VARIABLES[index]);
    if (value == NULL) continue;
    if (write_all(fd, VARIABLES[index], strlen(VARIABLES[index])) != 0 || write_all(fd, "=", 1) != 0 ||
        write_all(fd, value, strlen(value) + 1) != 0)
      return -1;
  }
  return write_all(fd, "", 1) != 0 ? -1 : write_all(fd, config, config_length);
}

static int is_safe_name(const char *text) {
  size_t length = strlen(text);
  if (length == 0 || length > 200 || text[0] == '.') return 0;
  for (; *text != '\0'; text++) {
    if ((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') || (*text >= '0' && *text <= '9') ||
        *text == '.' || *text == '_' || *text == '-')
      continue;
    return 0;
  }
  return 1;
}

/* Keeps a DEL for the agent: written aside, synced, renamed, so that the agent never sees half of one. */
static int queue_del(void) {
  const char *container = variable("CNI_CONTAINERID", "");
  const char *interface = variable("CNI_IFNAME", "");
  if (!is_safe_name(container)) return fail(BAD_ENVIRONMENT, "CNI_CONTAINERID is missing or not valid", container);
  if (!is_safe_name(interface)) return fail(BAD_ENVIRONMENT, "CNI_IFNAME is missing or not valid", interface);
  const char *directory = variable("MARGAY_CNI_QUEUE", DEFAULT_QUEUE);
  char path[4096], aside[4096];
  if (snprintf(path, sizeof path, "%s/%s-%s.del", directory, container, interface) >= (int)sizeof path ||
      snprintf(aside, sizeof aside, "%s/.%s-%s.%d", directory, container, interface, (int)getpid()) >= (int)sizeof aside)
    return fail(IO_FAILURE, "the queue's path is too long", directory);
  if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
    /* The parent may be missing too, once. */
    char parent[4096];
    snprintf(parent, sizeof parent, "%s", directory);
    char *slash = strrchr(parent, '/');
    if (slash != NULL && slash != parent) {
      *slash = '\0';
      mkdir(parent, 0755);
    }
    if (mkdir(directory, 0700) != 0 && errno != EEXIST)
      return fail(IO_FAILURE, "no agent, and the queue's directory can't be made", strerror(errno));
  }
  int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return fail(IO_FAILURE, "no agent, and the DEL can't be queued", strerror(errno));
  int failed = write_request(fd) != 0 || fsync(fd) != 0;
  failed |= close(fd) != 0;
  if (failed || rename(aside, path) != 0) {
    int reason = errno;
    unlink(aside);
    return fail(IO_FAILURE, "no agent, and the DEL can't be queued", strerror(reason));
  }
  return 0;
}

static int without_agent(const char *command, const char *path) {
  char details[512];
  snprintf(details, sizeof details, "%s: %s", path, strerror(errno));
  if (strcmp(command, "DEL") == 0) return queue_del();
  if (strcmp(command, "STATUS") == 0) return fail(NOT_AVAILABLE, "the Margay agent does not run on this node", details);
  return fail(TRY_AGAIN, "the Margay agent does not run on this node", details);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  const char *command = variable("CNI_COMMAND", "");
  ssize_t length = read_all(STDIN_FILENO, config, MAX_STDIN);
  if (length == -2) return fail(DECODE_FAILURE, "the network configuration is too large", "more than 1 MiB on stdin");
  if (length < 0) return fail(IO_FAILURE, "stdin can't be read", strerror(errno));
  config_length = (size_t)length;
  config[config_length] = '\0';
  find_spec_version();
  if (command[0] == '\0') return fail(BAD_ENVIRONMENT, "CNI_COMMAND is missing", "this is a CNI plugin: a container runtime runs it");
  if (strcmp(command, "VERSION") == 0) return version();

  const char *path = variable("MARGAY_CNI_SOCKET", DEFAULT_SOCKET);
  int agent = connect_agent(path);
  if (agent < 0) return without_agent(command, path);
  if (write_request(agent) != 0 || shutdown(agent, SHUT_WR) != 0) return without_agent(command, path);
  char *reply = malloc(MAX_REPLY);
  if (reply == NULL) return fail(IO_FAILURE, "out of memory", "");
  length = read_all(agent, reply, MAX_REPLY);
  if (length < 1 || reply[0] < '0' || reply[0] > '9') {
    /* The agent died over the request: as if it had not been there. */
    if (length >= 0) errno = ECONNRESET;
    return without_agent(command, path);
  }
  if (write_all(STDOUT_FILENO, reply + 1, (size_t)length - 1) != 0) return 1;
  return reply[0] - '0';
}
