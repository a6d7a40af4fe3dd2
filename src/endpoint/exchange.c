/* SPDX-License-Identifier: Apache-2.0 */
/* CoAP on one association (RFC 7252 section 4 and 5, RFC 7959): the device's requests and our
 * answer to them, our one open request and the device's answer to it, repeats, duplicates, blocks.
 */
#include "endpoint_priv.h"
#include "usher/pool.h"

#include <stdlib.h>
#include <string.h>

enum { SZX_1024 = 6, OPTION_SCRATCH = 4, PATH_SEGMENT_SIZE = 6 };

void exchange_free(struct exchange *exchange)
{
    if (exchange == NULL)
        return;
    buf_clear(&exchange->payload);
    buf_clear(&exchange->message);
    buf_clear(&exchange->assembled);
    pool_free(exchange);
}

static struct exchange *exchange_new(struct association *association)
{
    struct exchange *exchange = pool_calloc(1, sizeof *exchange);

    if (exchange == NULL)
        return NULL;
    buf_init(&exchange->payload, 65536);
    buf_init(&exchange->message, ENDPOINT_DATAGRAM_MAX);
    buf_init(&exchange->assembled, ANSWER_PAYLOAD_MAX);
    exchange->answer_format = -1;
    exchange->retransmit_at = UINT64_MAX;
    association->exchange = exchange;
    return exchange;
}

static void end_exchange(struct association *association)
{
    exchange_free(association->exchange);
    association->exchange = NULL;
}

/* ---- sending ---- */

static void send_message(struct association *association, const struct coap_message *message)
{
    uint8_t memory[64 + BLOCK_PAYLOAD_MAX];
    struct buf out;

    buf_init_fixed(&out, memory, sizeof memory);
    if (coap_build(message, &out))
        dtls_send(association, buf_bytes(&out));
    buf_clear(&out);
}

static void send_empty(struct association *association, enum coap_type type, uint16_t id)
{
    struct coap_message message = {.type = type, .id = id};

    send_message(association, &message);
}

/* The first timeout of RFC 7252 section 4.2, or what the handshake's round trip asks for on a slow
 * network (trap 8), times 1 to 1.5. Half as much again as the round trip, since the next one may
 * take longer; but not so much that nothing could be repeated within the time of a request: a
 * flight that was lost makes a round trip look longer than it is. */
static uint32_t first_timeout(struct association *association, uint32_t wanted_ms)
{
    struct endpoint *endpoint = association->endpoint;
    uint32_t base = wanted_ms;

    if (base == 0)
        base = endpoint->listeners[association->path.listener].settings.ack_timeout_ms;
    uint32_t expected = association->round_trip_ms + association->round_trip_ms / 2;

    if (expected > REQUEST_TIMEOUT_MS / 4)
        expected = REQUEST_TIMEOUT_MS / 4;
    if (expected > base)
        base = expected;
    return base + endpoint_random(endpoint) % (base / 2 + 1);
}

static void transmit(struct association *association)
{
    struct exchange *exchange = association->exchange;
    uint64_t now = association->endpoint->now;

    exchange->attempts++;
    exchange->retransmit_at = now + exchange->timeout_ms;
    if (exchange->retransmit_at > exchange->deadline)
        exchange->retransmit_at = exchange->deadline;
    dtls_send(association, buf_bytes(&exchange->message));
}

/* A message of its own: new id, counted from the first timeout again. */
static void transmit_first(struct association *association, uint32_t ack_timeout_ms)
{
    struct exchange *exchange = association->exchange;

    exchange->repeats = 0;
    exchange->timeout_ms = first_timeout(association, ack_timeout_ms);
    transmit(association);
    association_rearm(association);
}

static void add_path(struct coap_message *message, const struct endpoint_request *request,
                     char segments[PATH_DEPTH_MAX][PATH_SEGMENT_SIZE])
{
    if (request->bootstrap_finish) {
        coap_add_option(message, COAP_OPT_URI_PATH, bytes_of_text("bs"));
        return;
    }
    for (unsigned i = 0; i < request->path.depth; i++) {
        struct buf text;
        buf_init_fixed(&text, segments[i], PATH_SEGMENT_SIZE);
        buf_put_decimal(&text, request->path.ids[i]);
        coap_add_option(message, COAP_OPT_URI_PATH, buf_bytes(&text));
    }
}

static void add_block1(struct coap_message *message, const struct exchange *exchange,
                       uint8_t block[OPTION_SCRATCH], uint8_t size[OPTION_SCRATCH])
{
    size_t unit = COAP_BLOCK_SIZE(exchange->szx);
    struct bytes payload = buf_bytes(&exchange->payload);
    size_t left = payload.len - exchange->offset;
    struct coap_block option = {
        .number = (uint32_t)(exchange->offset / unit),
        .more = left > unit,
        .szx = exchange->szx,
    };

    coap_add_block(message, COAP_OPT_BLOCK1, &option, block);
    if (exchange->offset == 0)
        coap_add_uint(message, COAP_OPT_SIZE1, (uint32_t)payload.len, size);
    message->payload = bytes_of(payload.data + exchange->offset, left > unit ? unit : left);
}

/* Encodes the message to send next: the request, its next Block1, or the fetch of the next Block2.
 */
static bool encode_request(struct association *association)
{
    struct exchange *exchange = association->exchange;
    const struct endpoint_request *request = &exchange->request;
    uint8_t format[OPTION_SCRATCH], accept[OPTION_SCRATCH], block[OPTION_SCRATCH],
        size[OPTION_SCRATCH];
    char segments[PATH_DEPTH_MAX][PATH_SEGMENT_SIZE];
    uint32_t token = endpoint_random(association->endpoint);

    exchange->id = association->next_id++;
    memcpy(exchange->token, &token, sizeof exchange->token);
    struct coap_message message = {
        .type = COAP_CON,
        .code = request->method,
        .id = exchange->id,
        .token_len = sizeof exchange->token,
    };
    memcpy(message.token, exchange->token, sizeof exchange->token);
    add_path(&message, request, segments);
    if (request->content_format >= 0)
        coap_add_uint(&message, COAP_OPT_CONTENT_FORMAT, (uint32_t)request->content_format, format);
    if (request->accept >= 0)
        coap_add_uint(&message, COAP_OPT_ACCEPT, (uint32_t)request->accept, accept);
    if (exchange->next_block > 0) {
        struct coap_block next = {.number = exchange->next_block, .szx = exchange->szx};
        coap_add_block(&message, COAP_OPT_BLOCK2, &next, block);
    } else if (exchange->blockwise) {
        add_block1(&message, exchange, block, size);
    } else {
        message.payload = buf_bytes(&exchange->payload);
    }
    buf_reset(&exchange->message);
    return coap_build(&message, &exchange->message);
}

static bool send_request(struct association *association)
{
    if (!encode_request(association))
        return false;
    transmit_first(association, association->exchange->request.ack_timeout_ms);
    return true;
}

static uint8_t szx_for(size_t payload_max)
{
    uint8_t szx = SZX_1024;

    while (szx > 0 && COAP_BLOCK_SIZE(szx) > payload_max)
        szx--;
    return szx;
}

bool endpoint_request(struct endpoint *endpoint, struct association_ref ref,
                      const struct endpoint_request *request)
{
    struct association *association = peers_by_ref(endpoint, ref);
    uint32_t limit =
        request->request_timeout_ms == 0 ? REQUEST_TIMEOUT_MS : request->request_timeout_ms;
    size_t most = request->message_max == 0 ? BLOCK_PAYLOAD_MAX : request->message_max;

    if (association == NULL || association->state != ASSOCIATION_OPEN ||
        association->exchange != NULL)
        return false;
    struct exchange *exchange = exchange_new(association);
    if (exchange == NULL)
        return false;
    exchange->request = *request;
    buf_put_bytes(&exchange->payload, request->payload);
    exchange->request.payload = bytes_of(NULL, 0);
    exchange->deadline = endpoint->now + limit;
    exchange->szx = szx_for(most > BLOCK_PAYLOAD_MAX ? BLOCK_PAYLOAD_MAX : most);
    exchange->blockwise = request->payload.len > COAP_BLOCK_SIZE(exchange->szx);
    if (request->payload.len <= most && request->payload.len <= BLOCK_PAYLOAD_MAX)
        exchange->blockwise = false;
    if (exchange->payload.failed || !send_request(association)) {
        end_exchange(association);
        return false;
    }
    return true;
}

void endpoint_cancel(struct endpoint *endpoint, struct association_ref ref)
{
    struct association *association = peers_by_ref(endpoint, ref);

    if (association == NULL)
        return;
    end_exchange(association);
    association_rearm(association);
}

/* ---- the device's answers ---- */

static void give_answer(struct association *association, uint8_t code, struct bytes payload)
{
    struct endpoint *endpoint = association->endpoint;
    struct exchange *exchange = association->exchange;
    struct endpoint_answer answer = {
        .code = code,
        .content_format = exchange->answer_format,
        .payload = payload,
        .attempts = exchange->attempts,
    };

    association->exchange = NULL; /* the owner may send the next request from the callback */
    endpoint->ops.answer(endpoint->ops.context, association->ref, &answer);
    exchange_free(exchange);
}

static void give_no_answer(struct association *association, enum cause cause)
{
    struct endpoint *endpoint = association->endpoint;
    uint16_t attempts = association->exchange->attempts;

    end_exchange(association);
    /* Also for a separate answer that is never acknowledged: the device is as silent then. */
    endpoint->ops.no_answer(endpoint->ops.context, association->ref, cause, attempts);
}

static bool restart_with(struct association *association, uint8_t szx)
{
    struct exchange *exchange = association->exchange;

    exchange->restarted = true;
    exchange->blockwise = true;
    exchange->szx = szx;
    exchange->offset = 0;
    return send_request(association);
}

/* Block1 (RFC 7959 section 2.9): true when the exchange goes on. */
static bool continue_block1(struct association *association, const struct coap_message *message)
{
    struct exchange *exchange = association->exchange;
    struct coap_block block;
    bool present;
    bool readable = coap_get_block(message, COAP_OPT_BLOCK1, &block, &present);

    if (message->code == COAP_TOO_LARGE && readable && block.szx < exchange->szx &&
        exchange->payload.len > COAP_BLOCK_SIZE(block.szx))
        return restart_with(association, block.szx);
    if (!exchange->blockwise)
        return false;
    if (message->code == COAP_INCOMPLETE && !exchange->restarted)
        return restart_with(association, exchange->szx);
    if (message->code != COAP_CONTINUE)
        return false;
    /* The size just sent counts, even when a smaller one is asked for the rest. */
    size_t next = exchange->offset + COAP_BLOCK_SIZE(exchange->szx);
    if (next >= exchange->payload.len)
        return false;
    if (readable && block.szx < exchange->szx)
        exchange->szx = block.szx;
    exchange->offset = next;
    return send_request(association);
}

enum block2_step { BLOCK2_WHOLE, BLOCK2_MORE, BLOCK2_BROKEN };

static enum block2_step take_block2(struct exchange *exchange, const struct coap_message *message)
{
    struct coap_block block;
    bool present;

    if (!coap_get_block(message, COAP_OPT_BLOCK2, &block, &present)) {
        if (present || exchange->next_block > 0)
            return BLOCK2_BROKEN;
        return BLOCK2_WHOLE;
    }
    size_t start = (size_t)block.number * COAP_BLOCK_SIZE(block.szx);
    bool whole_block = message->payload.len == COAP_BLOCK_SIZE(block.szx);
    if (start != exchange->assembled.len || (block.more && !whole_block))
        return BLOCK2_BROKEN;
    buf_put_bytes(&exchange->assembled, message->payload);
    if (exchange->assembled.failed)
        return BLOCK2_BROKEN;
    exchange->szx = block.szx;
    exchange->next_block = block.number + 1;
    return block.more ? BLOCK2_MORE : BLOCK2_WHOLE;
}

static void take_answer(struct association *association, const struct coap_message *message)
{
    struct exchange *exchange = association->exchange;
    const struct coap_option *format = coap_find(message, COAP_OPT_CONTENT_FORMAT);
    uint32_t number;

    peers_verified(association); /* it knows our token */
    if (continue_block1(association, message))
        return;
    if (format != NULL && coap_option_uint(format, &number) && number <= UINT16_MAX)
        exchange->answer_format = (int)number;
    if (message->code != COAP_CONTENT) {
        give_answer(association, message->code, message->payload);
        return;
    }
    switch (take_block2(exchange, message)) {
    case BLOCK2_WHOLE:
        give_answer(association, message->code,
                    exchange->assembled.len > 0 ? buf_bytes(&exchange->assembled)
                                                : message->payload);
        break;
    case BLOCK2_MORE:
        if (send_request(association))
            break;
        /* fall through */
    case BLOCK2_BROKEN:
        give_answer(association, COAP_INCOMPLETE, bytes_of(NULL, 0));
        break;
    }
}

static bool is_our_token(const struct exchange *exchange, const struct coap_message *message)
{
    return exchange != NULL && !exchange->is_response &&
           message->token_len == sizeof exchange->token &&
           memcmp(message->token, exchange->token, sizeof exchange->token) == 0;
}

static void receive_response(struct association *association, const struct coap_message *message)
{
    struct exchange *exchange = association->exchange;

    if (message->type == COAP_ACK) {
        if (is_our_token(exchange, message) && message->id == exchange->id)
            take_answer(association, message);
        return;
    }
    bool repeat = association->has_last_answer && association->last_answer_id == message->id;
    if (is_our_token(exchange, message)) {
        association->has_last_answer = true;
        association->last_answer_id = message->id;
        if (message->type == COAP_CON)
            send_empty(association, COAP_ACK, message->id);
        take_answer(association, message);
    } else if (message->type == COAP_CON) {
        send_empty(association, repeat ? COAP_ACK : COAP_RST, message->id);
    }
}

/* ---- the device's requests ---- */

static struct seen_request *find_seen(struct association *association,
                                      const struct coap_message *message)
{
    for (unsigned i = 0; i < SEEN_REQUESTS_MAX; i++) {
        struct seen_request *seen = &association->seen[i];
        if (seen->state != SEEN_NONE && seen->id == message->id &&
            seen->token_len == message->token_len &&
            memcmp(seen->token, message->token, message->token_len) == 0)
            return seen;
    }
    return NULL;
}

static void send_piggybacked(struct association *association, const struct seen_request *seen)
{
    struct coap_message message = {
        .type = seen->type == COAP_CON ? COAP_ACK : COAP_NON,
        .code = seen->code,
        .id = seen->type == COAP_CON ? seen->id : association->next_id++,
        .token_len = seen->token_len,
    };

    memcpy(message.token, seen->token, seen->token_len);
    send_message(association, &message);
}

/* The same message again: the same reaction again (RFC 7252 section 4.5). */
static void repeat_reaction(struct association *association, const struct seen_request *seen)
{
    association->endpoint->counters.coap_duplicates++;
    if (seen->state == SEEN_ANSWERED && !seen->separate && seen->has_content)
        content_send_again(association, seen);
    else if (seen->state == SEEN_ANSWERED && !seen->separate)
        send_piggybacked(association, seen);
    else if ((seen->state == SEEN_ACKED || seen->separate) && seen->type == COAP_CON)
        send_empty(association, COAP_ACK, seen->id);
}

static void answer_at_once(struct association *association, struct seen_request *seen, uint8_t code)
{
    seen->state = SEEN_ANSWERED;
    seen->code = code;
    send_piggybacked(association, seen);
}

/* The oldest entry makes room, but not the request that may still be answered. */
static struct seen_request *next_seen(struct association *association)
{
    const struct seen_request *newest = &association->seen[association->newest_seen];
    bool waits = newest->state == SEEN_OPEN || newest->state == SEEN_ACKED;

    do {
        association->last_seen = (association->last_seen + 1) % SEEN_REQUESTS_MAX;
    } while (waits && association->last_seen == association->newest_seen);
    return &association->seen[association->last_seen];
}

static void receive_request(struct association *association, const struct coap_message *message)
{
    static const uint16_t known[] = {
        COAP_OPT_URI_HOST, COAP_OPT_URI_PORT, COAP_OPT_URI_PATH, COAP_OPT_URI_QUERY,
        COAP_OPT_ACCEPT,   COAP_OPT_BLOCK2,   COAP_OPT_BLOCK1,   0};
    struct endpoint *endpoint = association->endpoint;
    struct seen_request *seen = find_seen(association, message);

    if (seen != NULL) {
        repeat_reaction(association, seen);
        return;
    }
    seen = next_seen(association);
    *seen = (struct seen_request){
        .state = SEEN_OPEN,
        .type = message->type,
        .id = message->id,
        .token_len = message->token_len,
    };
    memcpy(seen->token, message->token, message->token_len);
    if (coap_unknown_critical(message, known) != NULL) {
        answer_at_once(association, seen, COAP_BAD_OPTION);
        return;
    }
    if (content_continue(association, message, seen))
        return;
    content_note_request(association, message);
    association->previous_seen = association->newest_seen;
    association->previous_ack_at = association->ack_at;
    association->newest_seen = association->last_seen;
    association->ack_at =
        message->type == COAP_CON ? endpoint->now + PIGGYBACK_WINDOW_MS : UINT64_MAX;
    association->refused = false;
    endpoint->ops.request(endpoint->ops.context, association->ref, message);
    /* A request for something else keeps no place: who has a key could take them all (I6). */
    if (association->state == ASSOCIATION_OPEN && !association->asked && !association->refused) {
        association->asked = true;
        peers_move(association, &endpoint->busy);
    }
}

void exchange_ack_due(struct association *association)
{
    struct seen_request *seen = &association->seen[association->newest_seen];

    association->ack_at = UINT64_MAX;
    if (seen->state != SEEN_OPEN || seen->type != COAP_CON)
        return;
    seen->state = SEEN_ACKED;
    send_empty(association, COAP_ACK, seen->id);
}

/* The empty ACK has gone: the answer is a CON of its own, repeated until acknowledged (trap 11). */
static bool respond_separately(struct association *association, struct seen_request *seen,
                               uint8_t code, bool content)
{
    struct coap_message message = {
        .type = COAP_CON,
        .code = code,
        .id = association->next_id++,
        .token_len = seen->token_len,
    };

    end_exchange(association); /* a request of the session that this one replaces */
    struct exchange *exchange = exchange_new(association);
    if (exchange == NULL)
        return false;
    memcpy(message.token, seen->token, seen->token_len);
    exchange->is_response = true;
    exchange->id = message.id;
    exchange->deadline = association->endpoint->now + REQUEST_TIMEOUT_MS;
    seen->state = SEEN_ANSWERED;
    seen->separate = true;
    seen->code = code;
    bool built = content ? content_build(association, &message, &exchange->message)
                         : coap_build(&message, &exchange->message);
    if (!built) {
        end_exchange(association);
        return false;
    }
    transmit_first(association, 0);
    return true;
}

bool endpoint_respond(struct endpoint *endpoint, struct association_ref ref, uint8_t code)
{
    struct association *association = peers_by_ref(endpoint, ref);

    if (association == NULL || association->state != ASSOCIATION_OPEN)
        return false;
    struct seen_request *seen = &association->seen[association->newest_seen];
    association->ack_at = UINT64_MAX;
    if (seen->state == SEEN_ACKED)
        return respond_separately(association, seen, code, false);
    if (seen->state != SEEN_OPEN)
        return false;
    content_drop(association);
    end_exchange(association);
    answer_at_once(association, seen, code);
    endpoint_enter(endpoint);
    endpoint->ops.responded(endpoint->ops.context, ref);
    endpoint_leave(endpoint);
    return true;
}

bool endpoint_respond_content(struct endpoint *endpoint, struct association_ref ref, int format,
                              struct bytes payload)
{
    struct association *association = peers_by_ref(endpoint, ref);

    if (association == NULL || association->state != ASSOCIATION_OPEN)
        return false;
    struct seen_request *seen = &association->seen[association->newest_seen];
    if ((seen->state != SEEN_ACKED && seen->state != SEEN_OPEN) ||
        !content_set(association, format, payload))
        return false;
    association->ack_at = UINT64_MAX;
    if (seen->state == SEEN_ACKED)
        return respond_separately(association, seen, COAP_CONTENT, true);
    end_exchange(association);
    content_answer(association, seen);
    if (!content_is_fetched(association))
        return true;
    endpoint_enter(endpoint);
    endpoint->ops.responded(endpoint->ops.context, ref);
    endpoint_leave(endpoint);
    return true;
}

bool endpoint_refuse(struct endpoint *endpoint, struct association_ref ref, uint8_t code)
{
    struct association *association = peers_by_ref(endpoint, ref);

    if (association == NULL || association->state != ASSOCIATION_OPEN)
        return false;
    struct seen_request *seen = &association->seen[association->newest_seen];
    if (seen->state != SEEN_OPEN)
        return false;
    association->refused = true;
    association->newest_seen = association->previous_seen;
    association->ack_at = association->previous_ack_at;
    answer_at_once(association, seen, code);
    return true;
}

void endpoint_ignore(struct endpoint *endpoint, struct association_ref ref)
{
    struct association *association = peers_by_ref(endpoint, ref);

    if (association == NULL)
        return;
    association->ack_at = UINT64_MAX;
    struct seen_request *seen = &association->seen[association->newest_seen];
    if (seen->state == SEEN_OPEN || seen->state == SEEN_ACKED)
        seen->state = SEEN_IGNORED;
}

/* ---- messages ---- */

static void receive_ack(struct association *association, const struct coap_message *message)
{
    struct endpoint *endpoint = association->endpoint;
    struct exchange *exchange = association->exchange;

    if (exchange == NULL || exchange->id != message->id)
        return;
    if (!exchange->is_response) {
        exchange->retransmit_at = UINT64_MAX; /* the answer comes separately */
        return;
    }
    end_exchange(association);
    if (content_is_fetched(association))
        endpoint->ops.responded(endpoint->ops.context, association->ref);
}

static void receive_empty(struct association *association, const struct coap_message *message)
{
    switch (message->type) {
    case COAP_ACK:
        receive_ack(association, message);
        break;
    case COAP_RST:
        if (association->exchange != NULL && association->exchange->id == message->id)
            give_no_answer(association, CAUSE_RESET);
        break;
    case COAP_CON: /* CoAP ping */
        send_empty(association, COAP_RST, message->id);
        break;
    case COAP_NON:
        break;
    }
}

void exchange_receive(struct association *association, struct bytes data)
{
    struct coap_message message;

    switch (coap_parse(data, &message)) {
    case COAP_PARSE_IGNORE:
        association->endpoint->counters.coap_malformed++;
        return;
    case COAP_PARSE_REJECT:
        association->endpoint->counters.coap_malformed++;
        if (message.type == COAP_CON)
            send_empty(association, COAP_RST, message.id);
        return;
    case COAP_PARSE_OK:
        break;
    }
    if (message.code == 0)
        receive_empty(association, &message);
    else if (COAP_CODE_CLASS(message.code) == 0 &&
             (message.type == COAP_CON || message.type == COAP_NON))
        receive_request(association, &message);
    else if (COAP_CODE_CLASS(message.code) >= 2 && COAP_CODE_CLASS(message.code) <= 5 &&
             message.type != COAP_RST)
        receive_response(association, &message);
    else
        association->endpoint->counters.coap_malformed++;
}

void exchange_expire(struct association *association)
{
    struct exchange *exchange = association->exchange;
    uint64_t now = association->endpoint->now;

    if (exchange == NULL)
        return;
    if (exchange->deadline <= now) {
        give_no_answer(association, CAUSE_TIMEOUT);
        return;
    }
    if (exchange->retransmit_at > now)
        return;
    if (exchange->repeats >= COAP_MAX_RETRANSMIT) {
        give_no_answer(association, CAUSE_TIMEOUT);
        return;
    }
    exchange->repeats++;
    exchange->timeout_ms *= 2;
    association->endpoint->counters.coap_retransmissions++;
    transmit(association);
}
