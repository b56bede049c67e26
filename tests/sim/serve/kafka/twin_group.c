/* SPDX-License-Identifier: MIT */
/*
 * Groups of the twin: committed offsets, as a register that several write, and generations.
 *
 * A commit that is read must not be older than one that was done before the read was sent: older
 * means that it was done, or its machine was dead, before the other was sent. A generation belongs
 * to one life of the machine until a sync of it was answered; then it is durable and never comes
 * again. In one generation all are told the same leader and protocol, the leader is told of all,
 * and each gets what the leader handed out for it.
 */
#include "twin.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- commits ------------------------------------------------------------------------------- */

int twin_commit_add(struct world *w, const struct twin_commit *commit)
{
    struct twin *twin = w->twin;
    twin->commits =
        twin_grow(twin->commits, twin->commit_count, &twin->commit_room, sizeof *twin->commits);
    twin->commits[twin->commit_count] = *commit;
    return twin->commit_count++;
}

/* When it counts for sure; 0 = not known. Of a transaction: when that was committed. What counts is
 * the order in which commits were written, also of those in transactions. */
static uint64_t counts_from(const struct world *w, const struct twin_commit *commit)
{
    if (commit->txn < 0 || !commit->done)
        return commit->done;
    const struct twin_txn *txn = &w->twin->txns[commit->txn];
    return txn->outcome == TXN_COMMITTED ? txn->end_order : 0;
}

static bool same_place(const struct twin_commit *commit, int group, const struct twin_part *part)
{
    return commit->group == group && commit->topic == part->topic && commit->index == part->index;
}

/* Is there a commit that was done before the read, and begun after this one was over? number -1:
 * none was read at all. */
static int newer_commit(const struct world *w, int group, const struct twin_part *part, int number,
                        uint64_t read)
{
    const struct twin *twin = w->twin;
    const struct twin_commit *read_one = number >= 0 ? &twin->commits[number] : NULL;
    for (int i = twin->commits_forgiven; i < twin->commit_count; i++) {
        const struct twin_commit *later = &twin->commits[i];
        if (i == number || !same_place(later, group, part))
            continue;
        uint64_t counts = counts_from(w, later);
        if (!counts || counts >= read)
            continue;
        /* Unknown ones of a machine that died are over with it. */
        bool after = !read_one || (read_one->done && read_one->done < later->sent) ||
                     (!read_one->done && read_one->life < later->life);
        if (after)
            return i;
    }
    return -1;
}

static void check_read(struct world *w, int group, const struct twin_part *part, int number,
                       int64_t offset, uint64_t read)
{
    const struct twin_commit *commit = &w->twin->commits[number];
    if (!same_place(commit, group, part) || commit->offset != offset) {
        seed_fail(w->run, "group %d, %s: offset %lld is not that of commit %d", group,
                  part_name(w, part), (long long)offset, number);
        return;
    }
    if (commit->refused)
        seed_fail(w->run, "group %d, %s: commit %d was refused and counts", group,
                  part_name(w, part), number);
    int newer = newer_commit(w, group, part, number, read);
    if (newer >= 0)
        seed_fail(w->run, "group %d, %s: commit %d is read, and %d came after it", group,
                  part_name(w, part), number, newer);
    reached(w, MARK_COMMIT_READ);
    if (commit->txn < 0)
        return;
    struct twin_txn *txn = &w->twin->txns[commit->txn];
    reached(w, MARK_TXN_COMMIT_READ);
    if (txn->outcome == TXN_COMMITTING)
        txn->outcome = TXN_COMMITTED;
    if (txn->outcome != TXN_COMMITTED)
        seed_fail(w->run, "group %d, %s: commit %d counts, and transaction %d is not committed",
                  group, part_name(w, part), number, commit->txn);
}

void twin_check_commit(struct world *w, int group, const struct twin_part *part, int64_t offset,
                       struct str metadata, bool unstable, uint64_t sent)
{
    if (unstable) {
        reached(w, MARK_UNSTABLE_OFFSET);
        return;
    }
    if (offset < 0) {
        int newer = newer_commit(w, group, part, -1, sent);
        if (newer >= 0)
            seed_fail(w->run, "group %d, %s: commit %d is gone", group, part_name(w, part), newer);
        return;
    }
    char text[16];
    snprintf(text, sizeof text, "%.*s", (int)(metadata.bytes < 15 ? metadata.bytes : 15),
             metadata.ptr ? metadata.ptr : "");
    int number = text[0] == 'c' ? atoi(text + 1) : -1;
    if (number < 0 || number >= w->twin->commit_count)
        seed_fail(w->run, "group %d, %s: a commit that nobody made: \"%s\"", group,
                  part_name(w, part), text);
    else
        check_read(w, group, part, number, offset, sent);
}

/* ---- generations --------------------------------------------------------------------------- */

struct str twin_member_key(struct str id)
{
    return id.bytes > 2 && id.ptr[0] == 'i' ? str_slice(id, 0, 2) : id;
}

static bool same_text(const char *text, struct str s)
{
    return str_equal(str_of(text), s);
}

static void set_text(char *text, size_t room, struct str s)
{
    snprintf(text, room, "%.*s", (int)s.bytes, s.ptr ? s.ptr : "");
}

/* That of this life of the machine, or a durable one of an earlier: some sync of it was answered.
 * One that the leader has sent its assignments for, and was not answered, may be durable or not. */
static struct twin_generation *generation_find(struct world *w, int group, int32_t number, int life)
{
    struct twin *twin = w->twin;
    struct twin_generation *maybe = NULL;
    for (int i = twin->generation_count - 1; i >= 0; i--) {
        struct twin_generation *g = &twin->generations[i];
        if (g->group != group || g->number != number || g->vague)
            continue;
        if (g->life == life || g->synced)
            return g;
        if (g->nonce && !maybe)
            maybe = g;
    }
    if (maybe)
        maybe->unsure = true;
    return maybe;
}

static struct twin_generation *generation_new(struct world *w, int group,
                                              const struct kafka_join_group_response *response,
                                              int life)
{
    struct twin *twin = w->twin;
    bool unsure = false;
    for (int i = 0; i < twin->generation_count; i++) {
        const struct twin_generation *g = &twin->generations[i];
        if (g->group != group)
            continue;
        unsure = unsure || (g->vague && g->number == response->generation_id);
        if (g->number > response->generation_id && g->synced && g->life < life && !g->vague)
            seed_fail(w->run, "group %d: generation %d is new after %d", group,
                      response->generation_id, g->number);
    }
    twin->generations = twin_grow(twin->generations, twin->generation_count, &twin->generation_room,
                                  sizeof *twin->generations);
    struct twin_generation *g = &twin->generations[twin->generation_count++];
    *g = (struct twin_generation){
        .group = group, .number = response->generation_id, .life = life, .joined = w->order};
    set_text(g->leader, sizeof g->leader, response->leader);
    set_text(g->protocol, sizeof g->protocol, response->protocol_name);
    g->unsure = unsure;
    reached(w, MARK_REBALANCED);
    return g;
}

/* Are they the same member, or the same instance, one replaced by the other? */
static bool same_key(const char *text, struct str id)
{
    return str_equal(twin_member_key(str_of(text)), twin_member_key(id));
}

static bool listed(char (*list)[96], int count, struct str id)
{
    for (int i = 0; i < count; i++)
        if (same_key(list[i], id))
            return true;
    return false;
}

static void take_list(struct twin_generation *g, const struct kafka_join_group_response *response)
{
    mem_free(g->list);
    g->list = mem_array((size_t)response->members_count, sizeof *g->list);
    g->list_count = response->members_count;
    for (int i = 0; i < response->members_count; i++)
        set_text(g->list[i], sizeof *g->list, response->members[i].member_id);
}

void twin_joined(struct world *w, int group, const struct kafka_join_group_response *response,
                 int life)
{
    struct twin_generation *g = generation_find(w, group, response->generation_id, life);
    if (!g)
        g = generation_new(w, group, response, life);
    if (!same_text(g->protocol, response->protocol_name))
        seed_fail(w->run, "group %d, generation %d: two protocols", group, g->number);
    bool leads = response->members_count > 0;
    if (leads && !str_equal(response->leader, response->member_id))
        seed_fail(w->run, "group %d, generation %d: the members are told to one who does not lead",
                  group, g->number);
    /* A static leader may come back under another name into the same generation. */
    if (!g->synced && !g->unsure && !same_key(g->leader, response->leader))
        seed_fail(w->run, "group %d, generation %d: two leaders", group, g->number);
    g->members = mem_realloc_array(g->members, (size_t)g->member_count + 1, sizeof *g->members);
    set_text(g->members[g->member_count++], sizeof *g->members, response->member_id);
    if (leads && !g->list)
        take_list(g, response);
    for (int i = 0; g->list && !g->synced && !g->unsure && i < g->member_count; i++)
        if (!listed(g->list, g->list_count, str_of(g->members[i])))
            seed_fail(w->run, "group %d, generation %d: the leader is not told of %s", group,
                      g->number, g->members[i]);
}

int twin_assigning(struct world *w, int group, int32_t generation, int life)
{
    struct twin_generation *g = generation_find(w, group, generation, life);
    if (!g)
        return 0;
    if (!g->nonce)
        g->nonce = ++w->twin->nonces;
    return g->nonce;
}

void twin_synced(struct world *w, int group, int32_t generation, int life, struct str who,
                 struct str assignment)
{
    struct twin_generation *g = generation_find(w, group, generation, life);
    char expected[160];
    if (!g) {
        seed_fail(w->run, "group %d: generation %d has a sync and no join", group, generation);
        return;
    }
    g->synced = true;
    if (g->unsure)
        return;
    snprintf(expected, sizeof expected, "%d:%d:%.*s", generation, g->nonce, (int)who.bytes,
             who.ptr);
    if (assignment.bytes == 0 || !g->nonce || !same_text(expected, assignment))
        seed_fail(w->run, "group %d, generation %d: %.*s got the assignment \"%.*s\", not \"%s\"",
                  group, generation, STR_ARG(who), STR_ARG(assignment), expected);
    reached(w, MARK_ASSIGNED);
}

static struct twin_member *member_find(struct world *w, struct str id)
{
    for (int i = 0; i < w->twin->member_count; i++)
        if (same_text(w->twin->members[i].id, id))
            return &w->twin->members[i];
    return NULL;
}

void twin_member_gone(struct world *w, struct str id)
{
    struct twin *twin = w->twin;
    if (id.bytes == 0 || member_find(w, id))
        return;
    twin->members =
        twin_grow(twin->members, twin->member_count, &twin->member_room, sizeof *twin->members);
    struct twin_member *member = &twin->members[twin->member_count++];
    set_text(member->id, sizeof member->id, id);
    member->gone = w->order;
    member->life = w->life;
}

void twin_check_generation(struct world *w, int group, int32_t generation, struct str member,
                           uint64_t sent, int life, const char *what)
{
    const struct twin_member *known = member_find(w, member);
    if (life != w->life)
        return; /* it may be from before the end of the machine, or from behind it */
    if (known && known->gone < sent && known->life == life)
        seed_fail(w->run, "group %d: %s of %.*s was accepted after it had gone", group, what,
                  STR_ARG(member));
    for (int i = 0; i < w->twin->generation_count; i++) {
        const struct twin_generation *g = &w->twin->generations[i];
        if (g->group == group && g->number > generation && g->joined < sent && !g->vague &&
            (g->synced || g->life == life))
            seed_fail(w->run, "group %d: %s of generation %d was accepted in generation %d", group,
                      what, generation, g->number);
    }
}

void twin_groups_forget(struct world *w)
{
    struct twin *twin = w->twin;
    for (int i = 0; i < twin->generation_count; i++)
        twin->generations[i].vague = true;
    twin->commits_forgiven = twin->commit_count;
}
