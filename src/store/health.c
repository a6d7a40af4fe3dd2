/* Why the store cannot serve now, if so. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store_priv.h"

void health_init(struct health *health)
{
    pthread_mutex_init(&health->lock, NULL);
    atomic_store(&health->code, ERR_OK);
}

void health_clear(struct health *health)
{
    pthread_mutex_destroy(&health->lock);
}

void health_failed(struct health *health, const struct err *err)
{
    pthread_mutex_lock(&health->lock);
    health->err = *err;
    atomic_store(&health->code, err->code);
    pthread_mutex_unlock(&health->lock);
}

void health_recovered(struct health *health)
{
    if (health_is_good(health))
        return;
    pthread_mutex_lock(&health->lock);
    atomic_store(&health->code, ERR_OK);
    pthread_mutex_unlock(&health->lock);
}

bool health_is_good(const struct health *health)
{
    return atomic_load(&health->code) == ERR_OK;
}

enum err_code health_read(struct health *health, struct err *err)
{
    if (health_is_good(health))
        return ERR_OK;
    pthread_mutex_lock(&health->lock);
    enum err_code code = (enum err_code)atomic_load(&health->code);
    if (code != ERR_OK && err != NULL)
        *err = health->err;
    pthread_mutex_unlock(&health->lock);
    return code;
}
