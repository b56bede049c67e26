/* SPDX-License-Identifier: MIT */
/*
 * Which files a pattern means, and how far each was taken.
 *
 * Files are known by inode. A log that is rotated (app.log becomes app.log.1) keeps its inode: the
 * entry goes on under the new name, also when that does not fit the pattern, until it is read to
 * its end, and the new app.log is a new entry. After a restart such a file is looked for in the
 * whole directory. A file that is shorter than what was taken of it was written anew: it begins at
 * 0.
 */
#include "connect/file_source.h"

bool file_pattern_fits(const char *pattern, const char *name)
{
    const char *star = NULL, *again = NULL;
    while (*name) {
        if (*pattern == '*') {
            star = ++pattern;
            again = name;
        } else if (*pattern == '?' || *pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star;
            name = ++again;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == 0;
}

void file_list_init(struct file_list *list, struct io *io, const char *base, struct str path)
{
    size_t slash = path.bytes;
    struct buf directory = {0};
    *list = (struct file_list){.io = io};
    while (slash > 0 && path.ptr[slash - 1] != '/')
        slash--;
    if (path.bytes == 0 || path.ptr[0] != '/') {
        buf_text(&directory, base && *base ? base : ".");
        buf_char(&directory, '/');
    }
    buf_str_append(&directory, str_slice(path, 0, slash));
    list->directory = str_dup(buf_str(&directory));
    list->pattern = str_dup(str_slice(path, slash, path.bytes));
    buf_deinit(&directory);
}

static void entry_deinit(struct file_entry *entry)
{
    io_file_close(entry->file);
    mem_free(entry->path);
}

void file_list_deinit(struct file_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        entry_deinit(&list->entries[i]);
    mem_free(list->entries);
    mem_free(list->directory);
    mem_free(list->pattern);
}

void file_list_remove(struct file_list *list, size_t index)
{
    entry_deinit(&list->entries[index]);
    memmove(&list->entries[index], &list->entries[index + 1],
            (list->count - index - 1) * sizeof *list->entries);
    list->count--;
}

static struct file_entry *entry_find(struct file_list *list, uint64_t inode)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->entries[i].inode == inode)
            return &list->entries[i];
    }
    return NULL;
}

static struct file_entry *entry_add(struct file_list *list, uint64_t inode)
{
    list->entries = mem_realloc_array(list->entries, list->count + 1, sizeof *list->entries);
    struct file_entry *entry = &list->entries[list->count++];
    *entry = (struct file_entry){.inode = inode};
    return entry;
}

/* One name of the directory. */
static enum err scan_name(struct file_list *list, const char *name)
{
    struct buf path = {0};
    struct io_stat stat;
    enum err err = OK;
    bool fits = file_pattern_fits(list->pattern, name) && name[0] != '.';
    buf_text(&path, list->directory);
    buf_text(&path, name);
    if (io_path_stat(list->io, buf_c_str(&path), &stat) == OK && !stat.is_directory) {
        struct file_entry *entry = entry_find(list, stat.inode);
        if (!entry && fits && list->count == FILES_MAX)
            err = ERR_LIMIT;
        else if (!entry && fits)
            entry = entry_add(list, stat.inode);
        if (entry && (fits || !entry->file)) {
            mem_free(entry->path);
            entry->path = str_dup(buf_str(&path));
        }
        if (entry) {
            entry->named = entry->named || fits;
            if (stat.bytes < entry->offset)
                entry->offset = 0;
            if (stat.bytes > entry->offset)
                entry->finished = false;
        }
    }
    buf_deinit(&path);
    return err;
}

enum err file_list_scan(struct file_list *list, bool follow)
{
    char **names = NULL;
    size_t count = 0;
    enum err err = io_path_list(list->io, list->directory, &names, &count);
    if (err == ERR_NOT_FOUND && follow)
        return OK; /* it may come */
    if (err != OK)
        return err;
    for (size_t i = 0; i < list->count; i++)
        list->entries[i].named = false;
    for (size_t i = 0; i < count && err == OK; i++)
        err = scan_name(list, names[i]);
    io_names_free(names, count);
    /* Nowhere to be found, and not open: it was deleted. */
    for (size_t i = list->count; err == OK && i-- > 0;) {
        if (!list->entries[i].path)
            file_list_remove(list, i);
    }
    return err;
}

void file_list_print(const struct file_list *list, struct buf *out)
{
    buf_text(out, "files");
    for (size_t i = 0; i < list->count; i++)
        buf_printf(out, " %llu:%llu", (unsigned long long)list->entries[i].inode,
                   (unsigned long long)list->entries[i].offset);
}

enum err file_list_parse(struct file_list *list, struct str position)
{
    struct str part, inode_text;
    uint64_t inode, offset;
    if (!str_cut(&position, ' ', &part) || !str_equal(part, STR("files")))
        return ERR_SYNTAX;
    while (str_cut(&position, ' ', &part)) {
        if (!str_cut(&part, ':', &inode_text))
            return ERR_SYNTAX;
        TRY(str_to_u64(inode_text, &inode));
        TRY(str_to_u64(part, &offset));
        if (!entry_find(list, inode) && list->count < FILES_MAX)
            entry_add(list, inode)->offset = offset;
    }
    return OK;
}
