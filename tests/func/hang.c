/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into usherd: the first thread that reads a socket while the file USHER_TEST_HANG names
 * exists hangs there until the file is gone, as on a disk or in a lock. */
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

__attribute__((visibility("default"))) int
recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    static int (*real)(int, struct mmsghdr *, unsigned, int, struct timespec *);
    const char *file = getenv("USHER_TEST_HANG");

    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "recvmmsg");
    while (file != NULL && access(file, F_OK) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    return real(fd, messages, count, flags, timeout);
}
