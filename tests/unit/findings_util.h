/* SPDX-License-Identifier: Apache-2.0 */
/* Tests read findings as the text that people see. */
#ifndef FINDINGS_UTIL_H
#define FINDINGS_UTIL_H

#include "usher/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* What findings_print writes; valid until the next call. */
static inline const char *findings_text(struct findings *findings)
{
    static char text[256 * 1024];
    int fd = memfd_create("findings", 0);
    assert_true(fd >= 0);
    findings_print(findings, fd);
    ssize_t len = pread(fd, text, sizeof(text) - 1, 0);
    assert_true(len >= 0);
    text[len] = '\0';
    close(fd);
    return text;
}

#endif
