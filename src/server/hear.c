/* SPDX-License-Identifier: Apache-2.0 */
/* What the endpoint tells, as events of sessions. */
#include "bootstrap_priv.h"
#include "usher/log.h"

#include <string.h>

static void on_send(void *context, const struct net_path *path, struct bytes datagram)
{
    struct driver *driver = context;

    driver->config.send(driver->config.send_context, path, datagram);
}

static void on_established(void *context, struct association_ref ref)
{
    struct driver *driver = context;
    struct association_info info;

    seen_show(&driver->seen, ref, driver->now.wall_ms);
    if (endpoint_info(driver->endpoint, ref, &info))
        tell_handshake(&driver->teller, &info);
    log_event(LOG_DEBUG, "endpoint.established", LOG_NUMBER("slot", ref.slot));
}

/* Value of `name=` among the Uri-Query options; data NULL = absent. */
static struct bytes query_value(const struct coap_message *message, const char *name)
{
    size_t name_len = strlen(name);
    const struct coap_option *option = NULL;

    while ((option = coap_next(message, COAP_OPT_URI_QUERY, option)) != NULL)
        if (option->value.len > name_len && option->value.data[name_len] == '=' &&
            memcmp(option->value.data, name, name_len) == 0)
            return bytes_of(option->value.data + name_len + 1, option->value.len - name_len - 1);
    return bytes_of(NULL, 0);
}

/* -1 = none; what no format number can be is none that we have. */
static int accept_of(const struct coap_message *message)
{
    const struct coap_option *option = coap_find(message, COAP_OPT_ACCEPT);
    uint32_t number;

    if (option == NULL)
        return -1;
    return coap_option_uint(option, &number) && number <= UINT16_MAX ? (int)number : UINT16_MAX;
}

static bool is_plain(const struct driver *driver, struct association_ref ref)
{
    struct association_info info;

    return endpoint_info(driver->endpoint, ref, &info) && info.plain;
}

static void on_request(void *context, struct association_ref ref,
                       const struct coap_message *message)
{
    struct driver *driver = context;
    struct bootstrap *bootstrap = endpoint_user(driver->endpoint, ref);

    bool pack = coap_path_is(message, "/bspack");

    if (!pack && !coap_path_is(message, "/bs")) {
        endpoint_refuse(driver->endpoint, ref, COAP_NOT_FOUND);
        return;
    }
    /* A pack is many times its request: whoever forges his source could have it sent to others. */
    if (pack && is_plain(driver, ref)) {
        endpoint_refuse(driver->endpoint, ref, COAP_METHOD_NOT_ALLOWED);
        return;
    }
    if (message->code != (pack ? COAP_METHOD_GET : COAP_METHOD_POST)) {
        endpoint_refuse(driver->endpoint, ref, COAP_METHOD_NOT_ALLOWED);
        return;
    }
    if (bootstrap == NULL) {
        bootstrap = bootstrap_new(driver, ref);
        endpoint_set_user(driver->endpoint, ref, bootstrap);
    }
    /* While draining, what runs may go on, also when the device asks again. */
    if (bootstrap == NULL || (driver->draining && bootstrap->finished)) {
        endpoint_ignore(driver->endpoint, ref);
        return;
    }
    struct session_event event = {
        .kind = SESSION_REQUEST,
        .endpoint = query_value(message, "ep"),
        .preferred_format = query_value(message, "pct"),
        .payload_present = message->payload.len > 0,
        .pack = pack,
        .accept = accept_of(message),
        .known = query_value(message, "acc"),
    };
    bootstrap->calls++; /* keeps it while the event runs */
    bootstrap_step(bootstrap, &event);
    bootstrap->calls--;
    bootstrap_free_if_done(bootstrap);
}

void hear_deliver(struct driver *driver, struct association_ref ref,
                  const struct session_event *event)
{
    struct bootstrap *bootstrap = endpoint_user(driver->endpoint, ref);

    if (bootstrap == NULL)
        return;
    bootstrap->calls++;
    bootstrap_step(bootstrap, event);
    bootstrap->calls--;
    bootstrap_free_if_done(bootstrap);
}

static void on_responded(void *context, struct association_ref ref)
{
    struct driver *driver = context;
    const struct bootstrap *bootstrap = endpoint_user(driver->endpoint, ref);
    struct session_event event = {
        .kind = SESSION_RESPONDED,
        .code = bootstrap == NULL ? 0 : bootstrap->answered_instead,
    };

    hear_deliver(driver, ref, &event);
}

static void report_end(struct driver *driver, struct association_ref ref, uint8_t code,
                       enum cause cause, uint16_t attempts)
{
    struct bootstrap *bootstrap = endpoint_user(driver->endpoint, ref);

    if (bootstrap == NULL || bootstrap->open.kind == 0)
        return;
    endpoint_info(driver->endpoint, ref, &bootstrap->info);
    tell_operation(&driver->teller, &bootstrap->open, &bootstrap->info,
                   session_enrollment(bootstrap->session), code, cause, attempts);
}

static void on_answer(void *context, struct association_ref ref,
                      const struct endpoint_answer *answer)
{
    struct session_event event = {
        .kind = SESSION_ANSWER,
        .code = answer->code,
        .format = answer->content_format,
        .payload = answer->payload,
        .attempts = answer->attempts,
    };

    report_end(context, ref, answer->code, CAUSE_NONE, answer->attempts);
    hear_deliver(context, ref, &event);
}

static void on_no_answer(void *context, struct association_ref ref, enum cause cause,
                         uint16_t attempts)
{
    struct session_event event = {.kind = SESSION_NO_ANSWER, .cause = cause, .attempts = attempts};

    report_end(context, ref, 0, cause, attempts);
    hear_deliver(context, ref, &event);
}

static void on_timer(void *context, struct association_ref ref)
{
    struct session_event event = {.kind = SESSION_TIMER};

    hear_deliver(context, ref, &event);
}

static void on_closed(void *context, struct association_ref ref, enum cause cause, uint8_t alert)
{
    struct driver *driver = context;
    struct bootstrap *bootstrap = endpoint_user(driver->endpoint, ref);
    struct session_event event = {.kind = SESSION_CLOSED, .cause = cause, .alert = alert};

    seen_forget(&driver->seen, ref, bootstrap == NULL ? "" : bootstrap->endpoint);
    if (bootstrap == NULL)
        return;
    bootstrap->calls++;
    bootstrap_step(bootstrap, &event);
    endpoint_info(driver->endpoint, ref, &bootstrap->info);
    endpoint_set_user(driver->endpoint, ref, NULL);
    bootstrap->associated = false;
    bootstrap->calls--;
    bootstrap_free_if_done(bootstrap);
}

static void on_rejected(void *context, const struct net_path *path, struct bytes identity,
                        enum cause cause, const char *detail)
{
    struct driver *driver = context;
    char source[NET_TEXT_SIZE];

    if (cause == CAUSE_BAD_KEY)
        key_hints_turn(driver->config.hints, identity,
                       bytes_of(path->remote.ip, sizeof path->remote.ip));
    net_text(&path->remote, false, source);
    bool told = rejects_add(driver->config.rejects, identity, source, cause, driver->now.wall_ms);
    tell_reject(&driver->teller, identity, source, cause, told);
    if (told)
        log_event(LOG_WARNING, "endpoint.rejected", LOG_TEXT("source", source),
                  LOG_BYTES("identity", identity), LOG_TEXT("cause", cause_name(cause)),
                  LOG_TEXT("detail", detail[0] != '\0' ? detail : NULL),
                  LOG_TEXT("advice", cause_advice(cause)));
}

struct endpoint_ops hear_ops(struct driver *driver)
{
    return (struct endpoint_ops){
        .send = on_send,
        .resolve = driver_resolve_key,
        .established = on_established,
        .request = on_request,
        .responded = on_responded,
        .answer = on_answer,
        .no_answer = on_no_answer,
        .closed = on_closed,
        .timer = on_timer,
        .rejected = on_rejected,
        .context = driver,
    };
}
