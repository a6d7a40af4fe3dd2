/* SPDX-License-Identifier: Apache-2.0 */
/* An SQLite VFS over the default one that can lose what was not synced, as a power cut does, and
 * let chosen operations fail. Names the VFS "power". */
#ifndef USHER_TESTS_STORE_POWER_VFS_H
#define USHER_TESTS_STORE_POWER_VFS_H

#include "bed.h"

void power_vfs_register(void);

/* Operations (reads, writes, syncs, truncations, deletions, opens) since the last reset. */
unsigned power_vfs_operations(void);
void power_vfs_reset(void); /* counts from 0 again; nothing fails, nothing is cut */

/* The power goes at that operation: it and all later ones fail, whatever is called. 0 = never. */
void power_vfs_cut_at(unsigned operation);
bool power_vfs_is_cut(void);
/* After a cut, when all files are closed: leaves on the disk what was synced, and a random part of
 * what was not. Power is back then. */
void power_vfs_restore(struct random *random);
/* Forgets what it knows of files: what is on the disk counts as synced. All files are closed. */
void power_vfs_forget(void);

enum power_fault { POWER_FAULT_NONE, POWER_FAULT_IO, POWER_FAULT_FULL };
/* That operation fails, and with `lasting` all later ones that write. FULL spares reads. */
void power_vfs_fail_at(enum power_fault fault, unsigned operation, bool lasting);
bool power_vfs_has_failed(void); /* since the last reset */

/* Turns PRAGMA synchronous = FULL into NORMAL: a control that must lose commits. */
void power_vfs_weaken(bool weaken);

#endif
