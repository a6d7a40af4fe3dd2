/* Misbehaviour: a bad line, and answers other than the right ones. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "faults_priv.h"

#include "usher/coap.h"

#include <stdlib.h>
#include <string.h>

enum { REORDER_MS = 40, THOUSAND = 1000 };

void line_init(struct line *line, const struct sim_faults *faults,
               void (*deliver)(void *context, bool outgoing, struct bytes datagram), void *context)
{
    *line = (struct line){
        .faults = faults, .random = faults->seed, .deliver = deliver, .context = context};
}

static void let_go(struct held *held)
{
    free(held->data);
    *held = (struct held){0};
}

void line_clear(struct line *line)
{
    for (size_t i = 0; i < LINE_HELD_MAX; i++)
        let_go(&line->held[i]);
}

/* SplitMix64: any seed will do. */
static uint64_t draw(struct line *line)
{
    uint64_t z = line->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static bool happens(struct line *line, unsigned thousandths)
{
    return thousandths > 0 && draw(line) % THOUSAND < thousandths;
}

static uint32_t draw_delay(struct line *line)
{
    uint32_t least = line->faults->delay_min_ms, most = line->faults->delay_max_ms;
    uint32_t delay = most > least ? least + (uint32_t)(draw(line) % (most - least + 1u)) : least;
    return delay + (happens(line, line->faults->reorder) ? REORDER_MS : 0);
}

/* False when there is no room: the datagram then goes at once. */
static bool hold(struct line *line, bool outgoing, struct bytes datagram, uint64_t due)
{
    for (size_t i = 0; i < LINE_HELD_MAX; i++) {
        struct held *held = &line->held[i];
        if (held->used)
            continue;
        uint8_t *data = malloc(datagram.len > 0 ? datagram.len : 1);
        if (data == NULL)
            return false;
        memcpy(data, datagram.data, datagram.len);
        *held = (struct held){true, outgoing, due, datagram.len, data};
        return true;
    }
    return false;
}

static void pass(struct line *line, bool outgoing, struct bytes datagram, uint64_t now)
{
    uint32_t delay = draw_delay(line);
    if (delay == 0 || !hold(line, outgoing, datagram, now + delay))
        line->deliver(line->context, outgoing, datagram);
}

void line_put(struct line *line, bool outgoing, struct bytes datagram, uint64_t now)
{
    if (happens(line, line->faults->drop))
        return;
    bool twice = happens(line, line->faults->duplicate);
    pass(line, outgoing, datagram, now);
    if (!twice)
        return;
    line->repeated += !outgoing;
    pass(line, outgoing, datagram, now);
}

static struct held *earliest(struct line *line)
{
    struct held *first = NULL;
    for (size_t i = 0; i < LINE_HELD_MAX; i++)
        if (line->held[i].used && (first == NULL || line->held[i].due < first->due))
            first = &line->held[i];
    return first;
}

void line_expire(struct line *line, uint64_t now)
{
    struct held *held;
    while ((held = earliest(line)) != NULL && held->due <= now) {
        struct held taken = *held;
        *held = (struct held){0};
        line->deliver(line->context, taken.outgoing, bytes_of(taken.data, taken.len));
        let_go(&taken);
    }
}

uint64_t line_next(const struct line *line)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < LINE_HELD_MAX; i++)
        if (line->held[i].used && line->held[i].due < next)
            next = line->held[i].due;
    return next;
}

const struct sim_answer_rule *faults_match(const struct sim_faults *faults,
                                           unsigned used[static SIM_RULES_MAX], unsigned ordinal,
                                           uint8_t method, bool finish, const struct path *path)
{
    for (size_t i = 0; i < faults->rule_count; i++) {
        const struct sim_answer_rule *rule = &faults->rules[i];
        bool fits = (rule->method == 0 || rule->method == method) &&
                    (rule->ordinal == 0 || rule->ordinal == ordinal) &&
                    (!rule->has_path ||
                     (rule->finish == finish && (finish || path_equal(&rule->path, path))));
        if (!fits || (rule->times != 0 && used[i] >= rule->times))
            continue;
        used[i]++;
        return rule;
    }
    return NULL;
}

static bool parse_method(const char *text, size_t len, uint8_t *method)
{
    static const char *const names[] = {"GET", "POST", "PUT", "DELETE"};
    for (uint8_t i = 0; i < 4; i++) {
        if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0) {
            *method = (uint8_t)(i + 1);
            return true;
        }
    }
    return false;
}

static bool parse_which(const char *text, size_t len, struct sim_answer_rule *out)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == len && len > 0 && len < 6) {
        out->ordinal = (unsigned)strtoul(text, NULL, 10);
        return out->ordinal > 0;
    }
    const char *colon = memchr(text, ':', len);
    size_t method_len = colon != NULL ? (size_t)(colon - text) : len;
    if (!parse_method(text, method_len, &out->method))
        return false;
    if (colon == NULL)
        return true;
    size_t path_len = len - method_len - 1;
    out->has_path = true;
    out->finish = path_len == 3 && memcmp(colon + 1, "/bs", 3) == 0;
    return out->finish || path_parse(colon + 1, path_len, &out->path);
}

/* What stands behind a code: nothing, or x and a number. */
static bool parse_times(const char *text, unsigned *times)
{
    size_t digits = text[0] == 'x' ? strspn(text + 1, "0123456789") : 0;
    *times = digits > 0 ? (unsigned)strtoul(text + 1, NULL, 10) : 0;
    return text[0] == '\0' || (digits > 0 && digits < 4 && text[1 + digits] == '\0' && *times > 0);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool parse_code(const char *text, struct sim_answer_rule *out)
{
    if (strncmp(text, "none", 4) == 0) {
        out->kind = SIM_ANSWER_NONE;
        return parse_times(text + 4, &out->times);
    }
    if (strncmp(text, "rst", 3) == 0) {
        out->kind = SIM_ANSWER_RESET;
        return parse_times(text + 3, &out->times);
    }
    if (text[0] < '2' || text[0] > '5' || text[1] != '.' || !is_digit(text[2]) ||
        !is_digit(text[3]))
        return false;
    unsigned detail = (unsigned)(text[2] - '0') * 10 + (unsigned)(text[3] - '0');
    out->code = COAP_MAKE_CODE((unsigned)(text[0] - '0'), detail);
    return detail <= 31 && parse_times(text + 4, &out->times);
}

enum err_code sim_rule_parse(const char *text, struct sim_answer_rule *out, struct err *err)
{
    struct sim_answer_rule rule = {0};
    const char *equals = strchr(text, '=');
    if (equals == NULL || !parse_which(text, (size_t)(equals - text), &rule) ||
        !parse_code(equals + 1, &rule))
        return err_set(
            err, ERR_INVALID,
            "'%s' is no answer rule; write METHOD:/PATH=4.15, METHOD=none, N=rst, and x1 "
            "behind it for once",
            text);
    *out = rule;
    return ERR_OK;
}
