// SPDX-License-Identifier: Apache-2.0
/*
 * The engine asks the mirrors and measures; the files doctor_*.c turn the figures into findings.
 * Nothing is kept: each request measures anew.
 */
#include "control/control_doctor.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "config/setup.h"
#include "control/control_cache.h"
#include "control/control_request.h"
#include "control/doctor_disk.h"
#include "control/doctor_held.h"
#include "control/doctor_mirrors.h"
#include "engine/engine.h"

enum { REMEDY_MAX_BYTES = 8 << 10 };

DEFINE_CLEANUP(struct diagnosis, diagnosis_free)
DEFINE_CLEANUP(struct inventory, inventory_free)

static int judge_offline(struct engine *engine, const struct diagnosis *x, struct findings *to)
{
    AUTO(inventory_free) struct inventory *inventory = NULL;
    int r = inventory_new(engine_files(engine), &inventory);
    return r ? r : doctor_held(inventory, x->listed_s, x->folder_count > 0, to);
}

/* An index that does not exist. The mirrors were then asked for another channel, so this must be
 * said first. */
static void judge_index(const struct diagnosis *x, const char *index, struct findings *to)
{
    struct index_view view;
    auto_buf struct buf remedy;

    buf_init(&remedy, REMEDY_MAX_BYTES);
    if (!*index || origins_index(x->origins, index, &view) == 0)
        return;
    buf_puts(&remedy, "name another: ");
    setup_write_indexes(&remedy, x->origins);
    findings_add(to, FINDING_FAILED, "index", index, remedy.data, "the daemon has no such index");
}

void control_doctor(struct engine *engine, const struct control_request *request,
                    const _Atomic bool *stop, struct buf *reply)
{
    AUTO(diagnosis_free) struct diagnosis *x = NULL;
    const char *project = request->words[2];
    struct diagnose_options options = {.index = request->words[1],
                                       .project = *project ? project : NULL,
                                       .limit_ms = CONTROL_DOCTOR_MS};
    struct findings findings = {.error = 0};
    int r = engine_diagnose(engine, &options, stop, &x);

    if (r == 0) {
        doctor_disk(x->cache_dir, x->max_size, x->min_free, x->has_room, &findings);
        judge_index(x, options.index, &findings);
        if (x->is_offline)
            r = judge_offline(engine, x, &findings);
        doctor_mirrors(x, &findings);
        r = r ? r : findings.error;
    }
    if (r) {
        control_refuse(reply, 1, error_text(r));
    } else {
        buf_puts(reply, "{\"code\":0,\"message\":\"\",\"checks\":");
        findings_write_json(&findings, reply);
        buf_putc(reply, '}');
    }
    findings_release(&findings);
}
