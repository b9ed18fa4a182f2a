/* The prober of the e2e tests: its parts, and what they share. */
#ifndef MARGAY_PROBE_H
#define MARGAY_PROBE_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum protocol { TCP, UDP, SCTP };

/* A token is unique to one probe; an answer is the token, a space and the client's address as the server saw it. */
#define TOKEN_SIZE 24
#define ANSWER_SIZE (TOKEN_SIZE + 1 + INET6_ADDRSTRLEN)

struct endpoint {
  struct sockaddr_storage address;
  socklen_t length;
};

/* endpoint.c */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
int64_t now_ms(void);
/* Moves this process into the network namespace at `path`. Returns -1 and sets errno. */
int enter_netns(const char *path);
/* Returns -1 when `text` is no address. */
int parse_endpoint(struct endpoint *endpoint, const char *text, unsigned port);
void set_port(struct endpoint *endpoint, unsigned port);
void address_text(const struct sockaddr_storage *address, char *out);
void set_option(int fd, int level, int name, int value);
/* A receive buffer that outlasts a moment without the CPU. */
void grow_buffers(int fd);
/* Whether the kernel would block, or was interrupted: try again later. */
int is_transient(int error);

/* sctp.c: INIT and INIT ACK (RFC 9260 sections 3.3.2 and 3.3.3) over raw sockets; the kernel needs no SCTP of its own. */
#define SCTP_MAX 256
size_t sctp_init(uint8_t *packet, uint16_t source_port, uint16_t port, uint32_t tag);
/* Writes the answer to an INIT into `reply`, with `cookie` as its state cookie. Returns 0 when `packet` is no INIT to `port`. */
size_t sctp_init_ack(uint8_t *reply, const uint8_t *packet, size_t size, uint16_t port, const char *cookie);
/* Whether `packet` answers the INIT with these values; copies its state cookie. */
int sctp_is_answer(const uint8_t *packet, size_t size, uint16_t source_port, uint16_t port, uint32_t tag, char *cookie,
                   size_t cookie_size);
/* The SCTP part of what a raw socket gave: IPv4 gives its header too. Returns NULL when there is none. */
const uint8_t *sctp_payload(int family, const uint8_t *packet, size_t *size);

/* The three modes. */
int serve(int argc, char **argv);
int fire(int argc, char **argv);
int stream(int argc, char **argv);

#endif
