/* SPDX-License-Identifier: MIT */
/*
 * The content of a simulated file: what the program reads (current), what the disk surely has
 * (durable), and between them the list of changes since the last sync, in order.
 *
 *   current = durable + all writes          always, but for what a failed sync lost
 *   sync:     durable := durable + writes, writes := none
 *   crash:    durable := durable + what chance leaves of the writes; current := durable
 *
 * A torn write keeps some of its 512-byte sectors; the file still grows to its end, as file systems
 * do that write the size before the data: the lost sectors read as zeros or as what was there.
 */
#include "base/check.h"
#include "base/mem.h"
#include "io/sim_core.h"

static void pages_for(struct sim_image *image, uint64_t bytes)
{
    size_t count = (size_t)((bytes + SIM_PAGE_BYTES - 1) / SIM_PAGE_BYTES);
    if (count <= image->page_count)
        return;
    size_t room = count > image->page_count * 2 ? count : image->page_count * 2;
    image->pages = mem_realloc_array(image->pages, room, sizeof *image->pages);
    memset(image->pages + image->page_count, 0, (room - image->page_count) * sizeof *image->pages);
    image->page_count = room;
}

void io_image_write(struct sim_image *image, uint64_t offset, const uint8_t *data, uint64_t bytes)
{
    if (bytes == 0)
        return;
    pages_for(image, offset + bytes);
    if (image->bytes < offset + bytes)
        image->bytes = offset + bytes;
    while (bytes) {
        size_t in_page = (size_t)(offset % SIM_PAGE_BYTES);
        size_t piece = SIM_PAGE_BYTES - in_page < bytes ? SIM_PAGE_BYTES - in_page : (size_t)bytes;
        uint8_t **page = &image->pages[offset / SIM_PAGE_BYTES];
        if (data && !*page)
            *page = mem_zero(SIM_PAGE_BYTES);
        if (data)
            memcpy(*page + in_page, data, piece);
        else if (*page)
            memset(*page + in_page, 0, piece);
        data = data ? data + piece : NULL;
        offset += piece;
        bytes -= piece;
    }
}

size_t io_image_read(const struct sim_image *image, uint64_t offset, uint8_t *ret_data,
                     size_t bytes)
{
    if (offset >= image->bytes)
        return 0;
    if (bytes > image->bytes - offset)
        bytes = (size_t)(image->bytes - offset);
    for (size_t done = 0; done < bytes;) {
        size_t in_page = (size_t)((offset + done) % SIM_PAGE_BYTES);
        size_t piece = SIM_PAGE_BYTES - in_page;
        piece = piece < bytes - done ? piece : bytes - done;
        const uint8_t *page = image->pages[(offset + done) / SIM_PAGE_BYTES];
        if (page)
            memcpy(ret_data + done, page + in_page, piece);
        else
            memset(ret_data + done, 0, piece);
        done += piece;
    }
    return bytes;
}

void io_image_resize(struct sim_image *image, uint64_t bytes)
{
    /* What is cut off must read as zeros when the file grows again. */
    if (bytes < image->bytes) {
        size_t first = (size_t)((bytes + SIM_PAGE_BYTES - 1) / SIM_PAGE_BYTES);
        for (size_t i = first; i < image->page_count; i++) {
            mem_free(image->pages[i]);
            image->pages[i] = NULL;
        }
        size_t in_page = (size_t)(bytes % SIM_PAGE_BYTES);
        if (in_page && image->pages[bytes / SIM_PAGE_BYTES])
            memset(image->pages[bytes / SIM_PAGE_BYTES] + in_page, 0, SIM_PAGE_BYTES - in_page);
    }
    pages_for(image, bytes);
    image->bytes = bytes;
}

void io_image_deinit(struct sim_image *image)
{
    for (size_t i = 0; i < image->page_count; i++)
        mem_free(image->pages[i]);
    mem_free(image->pages);
    *image = (struct sim_image){0};
}

void io_image_copy(struct sim_image *to, const struct sim_image *from)
{
    io_image_deinit(to);
    pages_for(to, from->bytes);
    to->bytes = from->bytes;
    size_t count = to->page_count < from->page_count ? to->page_count : from->page_count;
    for (size_t i = 0; i < count; i++)
        if (from->pages[i]) {
            to->pages[i] = mem_alloc(SIM_PAGE_BYTES);
            memcpy(to->pages[i], from->pages[i], SIM_PAGE_BYTES);
        }
}

static bool all_zeros(const uint8_t *data, uint64_t bytes)
{
    return bytes == 0 || (data[0] == 0 && memcmp(data, data + 1, (size_t)bytes - 1) == 0);
}

void io_writes_add(struct sim_inode *inode, bool is_resize, uint64_t offset, const uint8_t *data,
                   uint64_t bytes)
{
    struct sim_write *write = mem_zero(sizeof *write);
    write->is_resize = is_resize;
    write->offset = offset;
    write->bytes = bytes;
    if (data && !all_zeros(data, bytes)) {
        write->data = mem_alloc((size_t)bytes);
        memcpy(write->data, data, (size_t)bytes);
    }
    *inode->writes_end = write;
    inode->writes_end = &write->next;
}

static struct sim_write *writes_take(struct sim_inode *inode)
{
    struct sim_write *list = inode->writes;
    inode->writes = NULL;
    inode->writes_end = &inode->writes;
    return list;
}

static void apply(struct sim_image *image, const struct sim_write *write)
{
    if (write->is_resize)
        io_image_resize(image, write->bytes);
    else
        io_image_write(image, write->offset, write->data, write->bytes);
}

static void write_free(struct sim_write *write)
{
    mem_free(write->data);
    mem_free(write);
}

void io_writes_settle(struct sim *sim, struct sim_inode *inode, bool lossy)
{
    for (struct sim_write *write = writes_take(inode), *next; write; write = next) {
        next = write->next;
        if (!lossy || io_sim_coin(sim))
            apply(&inode->durable, write);
        write_free(write);
    }
}

static void apply_torn(struct sim *sim, struct sim_image *image, const struct sim_write *write)
{
    uint64_t end = write->offset + write->bytes;
    if (image->bytes < end)
        io_image_resize(image, end);
    for (uint64_t at = write->offset; at < end;) {
        uint64_t stop = (at / SIM_SECTOR_BYTES + 1) * SIM_SECTOR_BYTES;
        stop = stop < end ? stop : end;
        if (io_sim_coin(sim))
            io_image_write(image, at, write->data ? write->data + (at - write->offset) : NULL,
                           stop - at);
        at = stop;
    }
}

void io_writes_crash(struct sim *sim, struct sim_inode *inode)
{
    for (struct sim_write *write = writes_take(inode), *next; write; write = next) {
        next = write->next;
        uint64_t fate = prng_below(&sim->prng, 3);
        if (fate == 0 || (fate == 2 && write->is_resize))
            apply(&inode->durable, write);
        else if (fate == 2)
            apply_torn(sim, &inode->durable, write);
        write_free(write);
    }
    io_image_copy(&inode->current, &inode->durable);
}
