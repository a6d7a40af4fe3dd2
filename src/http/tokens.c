/* SPDX-License-Identifier: Apache-2.0 */
/* Bearer tokens: "usher_ID_SECRET". The file keeps a SHA-256 of the whole text; with 256 random
 * bits in it nothing slower is needed. */
#include "tokens_priv.h"

#include "usher/bytes.h"
#include "usher/clock.h"
#include "usher/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HASH_SIZE = 32, SECRET_SIZE = 32, ID_BYTES = 6, FILE_MODE = 0600, FILE_MAX = 1 << 20 };

static const char token_prefix[] = "usher_";

struct token {
    struct http_token_row row;
    uint8_t hash[HASH_SIZE];
};

struct http_tokens {
    char *path;
    pthread_mutex_t lock;
    struct token *list;
    size_t count;
};

static bool hash_text(const char *text, uint8_t out[static HASH_SIZE])
{
    unsigned len = HASH_SIZE;
    return EVP_Digest(text, strlen(text), out, &len, EVP_sha256(), NULL) == 1;
}

/* ---- the file ---- */

static bool read_token(const json_t *item, struct token *out)
{
    const char *id = json_string_value(json_object_get(item, "id"));
    const char *name = json_string_value(json_object_get(item, "name"));
    const char *scope = json_string_value(json_object_get(item, "scope"));
    const char *hash = json_string_value(json_object_get(item, "sha256"));
    size_t len = 0;
    *out = (struct token){0};
    if (id == NULL || name == NULL || scope == NULL || hash == NULL ||
        strlen(id) + 1 != HTTP_TOKEN_ID_SIZE || strlen(name) > HTTP_TOKEN_NAME_MAX ||
        !http_scope_from_name(scope, &out->row.scope) ||
        !bytes_from_hex(hash, strlen(hash), out->hash, HASH_SIZE, &len) || len != HASH_SIZE)
        return false;
    strcpy(out->row.id, id);
    strcpy(out->row.name, name);
    out->row.created_wall_ms = json_integer_value(json_object_get(item, "created_ms"));
    out->row.expires_wall_ms = json_integer_value(json_object_get(item, "expires_ms"));
    return true;
}

static enum err_code parse(const char *path, json_t *root, struct token **out, size_t *count,
                           struct err *err)
{
    const json_t *items = json_object_get(root, "tokens");
    size_t size = json_array_size(items);
    if (!json_is_array(items) || size > HTTP_TOKENS_MAX)
        return err_set(err, ERR_INVALID, "http.tokens: %s is not a file of tokens", path);
    struct token *list = calloc(HTTP_TOKENS_MAX, sizeof *list);
    if (list == NULL)
        return err_set(err, ERR_NO_MEMORY, "http.tokens: out of memory");
    for (size_t i = 0; i < size; i++) {
        if (!read_token(json_array_get(items, i), &list[i])) {
            free(list);
            return err_set(err, ERR_INVALID, "http.tokens: token %zu of %s is damaged", i + 1,
                           path);
        }
    }
    *out = list;
    *count = size;
    return ERR_OK;
}

static enum err_code read_file(const char *path, struct token **out, size_t *count, struct err *err)
{
    struct stat status;
    json_error_t why;
    FILE *file = owner_open("http.tokens", path, &status, err);
    if (file == NULL && err->code == ERR_NOT_FOUND) {
        *count = 0;
        *out = calloc(HTTP_TOKENS_MAX, sizeof **out);
        return *out != NULL ? ERR_OK : err_set(err, ERR_NO_MEMORY, "http.tokens: out of memory");
    }
    if (file == NULL)
        return err->code;
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0 || status.st_size > FILE_MAX) {
        fclose(file);
        return err_set(err, ERR_DENIED,
                       "http.tokens: others may write %s, and so give themselves a token: chmod "
                       "0600 %s",
                       path, path);
    }
    if (owner_check("http.tokens: the file", path, &status, err) != ERR_OK) {
        fclose(file);
        return err->code;
    }
    json_t *root = json_loadf(file, JSON_REJECT_DUPLICATES, &why);
    fclose(file);
    if (root == NULL)
        return err_set(err, ERR_INVALID, "http.tokens: %s:%d: this is not JSON; restore the file",
                       path, why.line);
    enum err_code code = parse(path, root, out, count, err);
    json_decref(root);
    return code;
}

static json_t *token_json(const struct token *token)
{
    char hash[BYTES_HEX_SIZE(HASH_SIZE)];
    bytes_to_hex(bytes_of(token->hash, HASH_SIZE), hash);
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "id", token->row.id, "name", token->row.name,
                     "scope", http_scope_name(token->row.scope), "sha256", hash, "created_ms",
                     (json_int_t)token->row.created_wall_ms, "expires_ms",
                     (json_int_t)token->row.expires_wall_ms);
}

static bool write_whole(const char *path, const json_t *root)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (fd < 0)
        return false;
    bool good = fchmod(fd, FILE_MODE) == 0 &&
                json_dumpfd(root, fd, JSON_INDENT(1) | JSON_PRESERVE_ORDER) == 0 && fsync(fd) == 0;
    return close(fd) == 0 && good;
}

static void sync_folder(const char *path)
{
    char *folder = strdup(path);
    char *slash = folder != NULL ? strrchr(folder, '/') : NULL;
    if (slash != NULL)
        slash[slash == folder] = '\0';
    int fd = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

/* A new file takes the old one's place at once, or not at all. */
static enum err_code write_file(const struct http_tokens *tokens, const struct token *list,
                                size_t count, struct err *err)
{
    char *fresh = NULL;
    json_t *root = json_object(), *items = json_array();
    bool good = json_object_set_new(root, "tokens", items) == 0;
    for (size_t i = 0; i < count; i++)
        good = json_array_append_new(items, token_json(&list[i])) == 0 && good;
    if (asprintf(&fresh, "%s.new", tokens->path) < 0)
        fresh = NULL;
    good = good && fresh != NULL && write_whole(fresh, root) && rename(fresh, tokens->path) == 0;
    int why = errno;
    if (good)
        sync_folder(tokens->path);
    else if (fresh != NULL)
        unlink(fresh);
    json_decref(root);
    free(fresh);
    return good ? ERR_OK
                : err_set(err, ERR_IO, "http.tokens: cannot write %s (%s); nothing was changed",
                          tokens->path, strerror(why));
}

/* ---- life ---- */

enum err_code http_tokens_open(const char *path, struct http_tokens **out, struct err *err)
{
    struct http_tokens *tokens = calloc(1, sizeof *tokens);
    if (tokens == NULL || (tokens->path = strdup(path)) == NULL) {
        free(tokens);
        return err_set(err, ERR_NO_MEMORY, "http.tokens: out of memory");
    }
    pthread_mutex_init(&tokens->lock, NULL);
    enum err_code code = read_file(path, &tokens->list, &tokens->count, err);
    if (code == ERR_OK)
        *out = tokens;
    else
        http_tokens_close(tokens);
    return code;
}

void http_tokens_close(struct http_tokens *tokens)
{
    if (tokens == NULL)
        return;
    pthread_mutex_destroy(&tokens->lock);
    free(tokens->list);
    free(tokens->path);
    free(tokens);
}

enum err_code http_tokens_reload(struct http_tokens *tokens, bool apply, struct err *err)
{
    struct token *list = NULL;
    size_t count = 0;
    pthread_mutex_lock(&tokens->lock);
    enum err_code code = read_file(tokens->path, &list, &count, err);
    if (code == ERR_OK && apply) {
        free(tokens->list);
        tokens->list = list;
        tokens->count = count;
        list = NULL;
    }
    free(list);
    pthread_mutex_unlock(&tokens->lock);
    return code;
}

/* ---- checking ---- */

static struct token *find(struct http_tokens *tokens, const char *id)
{
    for (size_t i = 0; i < tokens->count; i++)
        if (strcmp(tokens->list[i].row.id, id) == 0)
            return &tokens->list[i];
    return NULL;
}

/* The id, which is no secret; false when the text cannot be a token. */
static bool id_of(const char *text, char out[static HTTP_TOKEN_ID_SIZE])
{
    size_t len = strlen(token_prefix);
    if (strlen(text) >= HTTP_TOKEN_TEXT_SIZE || strncmp(text, token_prefix, len) != 0 ||
        strlen(text) <= len + HTTP_TOKEN_ID_SIZE || text[len + HTTP_TOKEN_ID_SIZE - 1] != '_')
        return false;
    memcpy(out, text + len, HTTP_TOKEN_ID_SIZE - 1);
    out[HTTP_TOKEN_ID_SIZE - 1] = '\0';
    return true;
}

enum http_token_verdict http_tokens_check(struct http_tokens *tokens, const char *text,
                                          struct http_caller *who)
{
    static const struct token nobody = {0};
    char id[HTTP_TOKEN_ID_SIZE];
    uint8_t hash[HASH_SIZE];
    enum http_token_verdict verdict = HTTP_TOKEN_UNKNOWN;
    if (!id_of(text, id) || !hash_text(text, hash))
        return HTTP_TOKEN_UNKNOWN;
    int64_t now = clock_wall_ms();
    pthread_mutex_lock(&tokens->lock);
    struct token *found = find(tokens, id);
    const struct token *token = found != NULL ? found : &nobody; /* the same work for both */
    bool same =
        bytes_equal_constant_time(bytes_of(hash, HASH_SIZE), bytes_of(token->hash, HASH_SIZE));
    if (found != NULL && same) {
        int64_t expires = token->row.expires_wall_ms;
        verdict = expires != 0 && now >= expires ? HTTP_TOKEN_EXPIRED : HTTP_TOKEN_GOOD;
    }
    if (verdict == HTTP_TOKEN_GOOD) {
        found->row.used_wall_ms = now;
        who->scope = token->row.scope;
        who->expires_wall_ms = token->row.expires_wall_ms;
        snprintf(who->name, sizeof who->name, "token:%s", token->row.name);
        memcpy(who->token, token->row.id, sizeof who->token);
    }
    pthread_mutex_unlock(&tokens->lock);
    bytes_wipe(hash, sizeof hash);
    return verdict;
}

bool http_tokens_still_good(struct http_tokens *tokens, const struct http_caller *who)
{
    if (who->token[0] == '\0')
        return true;
    pthread_mutex_lock(&tokens->lock);
    const struct token *token = find(tokens, who->token);
    bool good = token != NULL &&
                (token->row.expires_wall_ms == 0 || clock_wall_ms() < token->row.expires_wall_ms);
    pthread_mutex_unlock(&tokens->lock);
    return good;
}

/* ---- changing ---- */

static bool make_token(const char *name, enum http_scope scope, int64_t expires_wall_ms,
                       struct token *out, char text[static HTTP_TOKEN_TEXT_SIZE])
{
    uint8_t id[ID_BYTES], secret[SECRET_SIZE];
    char encoded[BYTES_BASE64_SIZE(SECRET_SIZE)];
    bytes_random(id, sizeof id);
    bytes_random(secret, sizeof secret);
    *out = (struct token){.row = {.scope = scope,
                                  .created_wall_ms = clock_wall_ms(),
                                  .expires_wall_ms = expires_wall_ms}};
    bytes_to_hex(bytes_of(id, sizeof id), out->row.id);
    snprintf(out->row.name, sizeof out->row.name, "%s", name);
    bytes_to_base64(bytes_of(secret, sizeof secret), true, encoded);
    encoded[strcspn(encoded, "=")] = '\0';
    snprintf(text, HTTP_TOKEN_TEXT_SIZE, "%s%s_%s", token_prefix, out->row.id, encoded);
    bytes_wipe(secret, sizeof secret);
    bytes_wipe(encoded, sizeof encoded);
    return hash_text(text, out->hash);
}
_Static_assert(HTTP_TOKEN_ID_SIZE == BYTES_HEX_SIZE(ID_BYTES), "an id in hexadecimal");

static bool has_name(const struct http_tokens *tokens, const char *name)
{
    for (size_t i = 0; i < tokens->count; i++)
        if (strcmp(tokens->list[i].row.name, name) == 0)
            return true;
    return false;
}

enum err_code http_tokens_create(struct http_tokens *tokens, const char *name,
                                 enum http_scope scope, int64_t expires_wall_ms,
                                 struct http_token_row *row, char text[static HTTP_TOKEN_TEXT_SIZE],
                                 struct err *err)
{
    struct token made;
    enum err_code code = ERR_OK;
    if (!make_token(name, scope, expires_wall_ms, &made, text))
        return err_set(err, ERR_INTERNAL, "http.tokens: SHA-256 is not to be had");
    pthread_mutex_lock(&tokens->lock);
    if (has_name(tokens, name)) {
        code = err_set(err, ERR_CONFLICT,
                       "there is a token of that name, and the audit names tokens by it; choose "
                       "another, or revoke that one first");
    } else if (tokens->count >= HTTP_TOKENS_MAX) {
        code = err_set(err, ERR_CONFLICT, "there are %d tokens already; revoke some first",
                       HTTP_TOKENS_MAX);
    } else {
        tokens->list[tokens->count] = made;
        code = write_file(tokens, tokens->list, tokens->count + 1, err);
        tokens->count += code == ERR_OK;
    }
    pthread_mutex_unlock(&tokens->lock);
    *row = made.row;
    if (code != ERR_OK)
        bytes_wipe(text, HTTP_TOKEN_TEXT_SIZE);
    return code;
}

enum err_code http_tokens_revoke(struct http_tokens *tokens, const char *id, struct err *err)
{
    enum err_code code = ERR_NOT_FOUND;
    pthread_mutex_lock(&tokens->lock);
    struct token *found = find(tokens, id);
    if (found != NULL) {
        struct token kept = *found;
        size_t index = (size_t)(found - tokens->list), after = tokens->count - index - 1;
        memmove(found, found + 1, after * sizeof *found);
        code = write_file(tokens, tokens->list, tokens->count - 1, err);
        if (code == ERR_OK) {
            tokens->count--;
        } else {
            memmove(found + 1, found, after * sizeof *found);
            *found = kept;
        }
    }
    pthread_mutex_unlock(&tokens->lock);
    return code == ERR_NOT_FOUND ? err_set(err, code, "there is no token with the id '%.32s'", id)
                                 : code;
}

void http_tokens_each(struct http_tokens *tokens,
                      void (*each)(void *context, const struct http_token_row *row), void *context)
{
    pthread_mutex_lock(&tokens->lock);
    for (size_t i = 0; i < tokens->count; i++)
        each(context, &tokens->list[i].row);
    pthread_mutex_unlock(&tokens->lock);
}
