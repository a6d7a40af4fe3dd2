/* SPDX-License-Identifier: Apache-2.0 */
/* The two listening sockets. */
#include "http_priv.h"

#include "usher/net.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128, SOCKET_MODE = 0660 };

static int close_and_fail(int fd)
{
    int kept = errno;
    if (fd >= 0)
        close(fd);
    errno = kept;
    return -1;
}

/* True when somebody accepts connections there. */
static bool is_served(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true;
    /* EAGAIN: its backlog is full, so it lives. Only a refusal says that nobody is there. */
    bool refused = connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                   errno == ECONNREFUSED;
    close(fd);
    return !refused;
}

/* Removes the socket file that a server left which ended without doing so. */
static enum err_code make_room(const struct sockaddr_un *address, struct err *err)
{
    const char *path = address->sun_path;
    struct stat status;
    if (lstat(path, &status) != 0)
        return ERR_OK;
    if (!S_ISSOCK(status.st_mode))
        return err_set(err, ERR_EXISTS,
                       "http.socket: %s exists and is not a socket; move it away or name another "
                       "path",
                       path);
    if (is_served(address))
        return err_set(err, ERR_BUSY,
                       "http.socket: another process serves %s; stop it or name another path",
                       path);
    if (unlink(path) != 0)
        return err_set(err, ERR_IO, "http.socket: cannot replace %s (%s)", path, strerror(errno));
    return ERR_OK;
}

/* The mode of the socket's inode is what bind gives the file, less the umask: the file is at no
 * moment open to more people than meant. */
static int bind_unix(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || fchmod(fd, SOCKET_MODE) != 0 ||
        bind(fd, (const struct sockaddr *)address, sizeof *address) != 0)
        return close_and_fail(fd);
    if (chmod(address->sun_path, SOCKET_MODE) != 0 || listen(fd, BACKLOG) != 0) {
        unlink(address->sun_path);
        return close_and_fail(fd);
    }
    return fd;
}

enum err_code http_listen_unix(struct http *http, const char *path, int *fd, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return err_set(err, ERR_RANGE, "http.socket: the path %s is longer than %zu bytes", path,
                       sizeof address.sun_path - 1);
    strcpy(address.sun_path, path);
    enum err_code code = make_room(&address, err);
    if (code != ERR_OK)
        return code;
    int made = bind_unix(&address);
    if (made < 0)
        return err_set(err, ERR_IO,
                       "http.socket: cannot make %s (%s); its folder must exist and be writable "
                       "for the user of usherd",
                       path, strerror(errno));
    struct stat status = {0};
    stat(path, &status);
    http->socket_device = status.st_dev;
    http->socket_inode = status.st_ino;
    *fd = made;
    return ERR_OK;
}

/* A newer server may have put its own in the place of ours. */
void http_unlink_socket(const struct http *http)
{
    struct stat status;
    if (http->socket_inode == 0 || lstat(http->socket_path, &status) != 0)
        return;
    if (status.st_dev == http->socket_device && status.st_ino == http->socket_inode)
        unlink(http->socket_path);
}

static int bind_tcp(const struct sockaddr_storage *address, socklen_t len)
{
    const int yes = 1;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0)
        return close_and_fail(fd);
    if (address->ss_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes) != 0)
        return close_and_fail(fd);
    if (bind(fd, (const struct sockaddr *)address, len) != 0 || listen(fd, BACKLOG) != 0)
        return close_and_fail(fd);
    return fd;
}

enum err_code http_listen_tcp(const struct sockaddr_storage *address, socklen_t len, int *fd,
                              uint16_t *port, struct err *err)
{
    struct net_address plain = {0};
    char text[NET_TEXT_SIZE] = "?";
    if (net_from_sockaddr((const struct sockaddr *)address, &plain))
        net_text(&plain, true, text);
    int made = bind_tcp(address, len);
    if (made < 0)
        return err_set(err, ERR_IO, "http.address: cannot listen at %s (%s)", text,
                       strerror(errno));
    struct sockaddr_storage bound = {0};
    socklen_t bound_len = sizeof bound;
    if (getsockname(made, (struct sockaddr *)&bound, &bound_len) == 0 &&
        net_from_sockaddr((const struct sockaddr *)&bound, &plain))
        *port = plain.port;
    *fd = made;
    return ERR_OK;
}
