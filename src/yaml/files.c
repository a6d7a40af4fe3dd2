/* SPDX-License-Identifier: Apache-2.0 */
/* Files and directories of YAML: what lies there, and reading it. */
#include "usher/yaml.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One byte more is read than yaml_load_text takes, so that it can refuse. */
enum { FILES_MAX = 4096, TEXT_MAX = 1 << 20 };

/* Reads at most `cap` bytes. -1 with errno. */
static ssize_t read_all(int fd, uint8_t *data, size_t cap)
{
    size_t len = 0;
    while (len < cap) {
        ssize_t got = read(fd, data + len, cap - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

struct yaml_node *yaml_load_file(struct arena *arena, const char *path, struct findings *findings)
{
    struct yaml_node place = {.file = path};
    struct yaml_node *root = NULL;
    struct stat status;
    /* Not blocking: a pipe in the place of a file must not hang a reload. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    uint8_t *data = malloc(TEXT_MAX + 1);
    if (fd < 0 || !data || fstat(fd, &status) != 0) {
        finding_add(findings, FINDING_ERROR, &place, "cannot open: %s", strerror(errno));
        goto out;
    }
    if (!S_ISREG(status.st_mode)) {
        finding_add(findings, FINDING_ERROR, &place, "not a regular file");
        goto out;
    }
    ssize_t len = read_all(fd, data, TEXT_MAX + 1);
    if (len < 0)
        finding_add(findings, FINDING_ERROR, &place, "cannot read: %s", strerror(errno));
    else
        root = yaml_load_text(arena, path, bytes_of(data, (size_t)len), findings);
out:
    free(data);
    if (fd >= 0)
        close(fd);
    return root;
}

bool yaml_path_beside(const struct yaml_node *at, const char *path, char *out, size_t size)
{
    const char *slash = strrchr(at->file, '/');
    int len = path[0] == '/' || slash == NULL
                  ? snprintf(out, size, "%s", path)
                  : snprintf(out, size, "%.*s/%s", (int)(slash - at->file), at->file, path);
    return len >= 0 && (size_t)len < size;
}

static int open_beside(const struct yaml_node *at, const char *path)
{
    char full[4096];
    if (yaml_path_beside(at, path, full, sizeof(full)))
        return open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    errno = ENAMETOOLONG;
    return -1;
}

bool yaml_read_beside(struct arena *arena, const struct yaml_node *at, const char *path,
                      size_t most, struct bytes *out, struct findings *findings)
{
    struct stat status;
    int fd = open_beside(at, path);
    uint8_t *data = arena_alloc(arena, most + 1);
    ssize_t len = -1;
    if (fd >= 0 && data && fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        len = read_all(fd, data, most + 1);
    else if (fd >= 0 && data)
        errno = EISDIR;
    int why = errno;
    if (fd >= 0)
        close(fd);
    if (len > (ssize_t)most) {
        finding_add(findings, FINDING_ERROR, at, "'%.80s' has more than %zu bytes", path, most);
        return false;
    }
    if (len < 0) {
        finding_add(findings, FINDING_ERROR, at, "cannot read '%.80s': %s", path,
                    why == EISDIR ? "not a regular file" : strerror(why));
        return false;
    }
    *out = bytes_of(data, (size_t)len);
    return true;
}

/* --- directories --- */

static int is_profile(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".yaml") == 0;
}

static int by_name(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

static const char **names_of(struct arena *arena, const char *directory, struct dirent **entries,
                             size_t count)
{
    const char **names = arena_alloc(arena, (count + 1) * sizeof(*names));
    size_t len = strlen(directory);
    const char *slash = len > 0 && directory[len - 1] == '/' ? "" : "/";
    for (size_t i = 0; names && i < count; i++) {
        names[i] = arena_printf(arena, "%s%s%s", directory, slash, entries[i]->d_name);
        if (!names[i])
            return NULL;
    }
    return names;
}

static const char **list_directory(struct arena *arena, const char *path, struct findings *findings)
{
    struct yaml_node place = {.file = path};
    struct dirent **entries = NULL;
    const char **names = NULL;
    int count = scandir(path, &entries, is_profile, by_name);
    if (count < 0)
        finding_add(findings, FINDING_ERROR, &place, "cannot read the directory: %s",
                    strerror(errno));
    else if (count > FILES_MAX)
        finding_add(findings, FINDING_ERROR, &place, "more than %d files", FILES_MAX);
    else if (!(names = names_of(arena, path, entries, (size_t)count)))
        finding_add(findings, FINDING_ERROR, &place, "out of memory");
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return names;
}

const char *const *yaml_list_files(struct arena *arena, const char *path, struct findings *findings)
{
    struct yaml_node place = {.file = path};
    struct stat status;
    if (stat(path, &status) != 0) {
        finding_add(findings, FINDING_ERROR, &place, "cannot open: %s", strerror(errno));
        return NULL;
    }
    if (S_ISDIR(status.st_mode))
        return list_directory(arena, path, findings);
    const char **names = arena_alloc(arena, 2 * sizeof(*names));
    if (names)
        names[0] = arena_text(arena, path);
    if (names && names[0])
        return names;
    finding_add(findings, FINDING_ERROR, &place, "out of memory");
    return NULL;
}
