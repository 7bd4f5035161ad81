/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Regular files and block devices: what raw images are, and what the other formats stand on. A file
 * whose size is no multiple of 512 ends in a sector that reads as zeros past the file's end. Where
 * the file is the disk, a write there is refused, so that it never grows; under a format a write
 * past the end makes the file longer. A file that has become shorter than it was gives EIO.
 *
 * Requests of one turn of the loop are started together by a task; what finishes short is
 * continued.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aio.h"
#include "core/log.h"
#include "image_priv.h"

enum { CALL_IOVS = 1024 }; /* the kernel's UIO_MAXIOV */
enum { DIRECT_ALIGN = 4096 };

struct file {
    struct block block;
    struct loop *loop;
    struct loop_task task;
    struct aio *aio; /* NULL before the first request */
    enum image_aio how;
    int fd;
    uint64_t file_size;
    bool direct, no_punch;
    struct block_req *todo, **todo_end;
    unsigned under_way;
    unsigned inside; /* how deep we are in code that runs `done` */
    bool freed;      /* to be done when we are out of it */
    struct log_limit shrunk, grows, failed;
    char name[];
};

static struct file *file_of(struct block *block) {
    return CONTAINER_OF(block, struct file, block);
}

static void enqueue(struct file *file, struct block_req *req) {
    req->next = NULL;
    *file->todo_end = req;
    file->todo_end = &req->next;
    loop_defer(file->loop, &file->task);
}

static struct block_req *dequeue(struct file *file) {
    struct block_req *req = file->todo;
    if (req) {
        file->todo = req->next;
        if (!file->todo)
            file->todo_end = &file->todo;
    }
    return req;
}

/* ---- memory that O_DIRECT can take ---- */

static void copy(const struct block_req *req, char *bounce, bool to_bounce) {
    for (unsigned i = 0; i < req->niov; i++) {
        const struct iovec *iov = &req->iov[i];
        if (to_bounce)
            memcpy(bounce, iov->iov_base, iov->iov_len);
        else
            memcpy(iov->iov_base, bounce, iov->iov_len);
        bounce += iov->iov_len;
    }
}

static bool is_aligned(const struct block_req *req) {
    uintptr_t all = 0;
    for (unsigned i = 0; i < req->niov; i++)
        all |= (uintptr_t)req->iov[i].iov_base | req->iov[i].iov_len;
    return !(all % DIRECT_ALIGN);
}

/* Has the job use aligned memory. False: there is none. */
static bool bounce(const struct block_req *req, struct aio_job *job) {
    void *memory;
    if (posix_memalign(&memory, DIRECT_ALIGN, req->len))
        return false;
    job->bounce = (struct iovec){memory, req->len};
    job->iov = &job->bounce;
    job->niov = 1;
    if (req->op == BLOCK_WRITE)
        copy(req, memory, true);
    return true;
}

static void finish(struct file *file, struct block_req *req, int err) {
    struct aio_job *job = aio_job_of(req);
    if (job->bounce.iov_base) {
        if (!err && req->op == BLOCK_READ)
            copy(req, job->bounce.iov_base, false);
        free(job->bounce.iov_base);
    }
    free(job->own);
    if (err)
        file->block.stats.errors++;
    req->done(req, err);
}

/* ---- the pieces of a request ---- */

struct memory {
    const struct iovec *iov;
    unsigned n;
};

static struct memory memory_of(const struct block_req *req, const struct aio_job *job) {
    if (job->bounce.iov_base)
        return (struct memory){&job->bounce, 1};
    return (struct memory){req->iov, req->niov};
}

/* Zeros into the memory from byte `skip` on. */
static void zero_from(struct memory memory, uint64_t skip) {
    for (unsigned i = 0; i < memory.n; i++) {
        size_t len = memory.iov[i].iov_len;
        if (skip < len) {
            memset((char *)memory.iov[i].iov_base + skip, 0, len - skip);
            skip = 0;
        } else {
            skip -= len;
        }
    }
}

/* What is left of the request's iovec after `moved` bytes, in a list of our own. */
static bool remainder_of(const struct block_req *req, struct aio_job *job) {
    struct memory memory = memory_of(req, job);
    uint64_t skip = job->moved;
    unsigned first = 0;
    while (first < memory.n && skip >= memory.iov[first].iov_len)
        skip -= memory.iov[first++].iov_len;
    unsigned n = memory.n - first;
    struct iovec *own = malloc((n ? n : 1) * sizeof(*own));
    if (!own)
        return false;
    memcpy(own, memory.iov + first, n * sizeof(*own));
    if (n) {
        own[0].iov_base = (char *)own[0].iov_base + skip;
        own[0].iov_len -= skip;
    }
    free(job->own);
    job->own = own;
    job->iov = own;
    job->niov = (uint16_t)MIN(n, (unsigned)CALL_IOVS);
    return true;
}

static void restart(struct file *file, struct block_req *req) {
    struct aio_job *job = aio_job_of(req);
    job->offset = req->offset + job->moved;
    job->size = file->file_size;
    if (remainder_of(req, job))
        enqueue(file, req);
    else
        finish(file, req, ENOMEM);
}

/* Reading found the end of the file: either the padding of the last sector, or a file that
 * shrank. */
static void end_of_file(struct file *file, struct block_req *req) {
    struct aio_job *job = aio_job_of(req);
    uint64_t at = req->offset + job->moved;
    if (at >= file->file_size) {
        zero_from(memory_of(req, job), job->moved);
        finish(file, req, 0);
        return;
    }
    if (at >= job->size) { /* it ended there when the read began, and has grown since */
        restart(file, req);
        return;
    }
    log_guest(&file->shrunk, "image '%s' ends at offset %llu: it had %llu bytes when it was opened",
              file->name, (unsigned long long)at, (unsigned long long)file->file_size);
    finish(file, req, EIO);
}

/* A write of a format went past the end. */
static void grow(struct file *file, uint64_t end) {
    if (!file->block.growable || end <= file->file_size)
        return;
    file->file_size = end;
    file->block.size = (end + 511) & ~UINT64_C(511);
}

/* With one line for whoever runs the host; the guest has its own. */
static void fail(struct file *file, struct block_req *req, int err) {
    static const char *const names[] = {"read", "write", "flush", "discard"};
    log_guest(&file->failed, "image '%s': a %s at offset %llu fails: %s", file->name,
              names[req->op], (unsigned long long)req->offset, strerror(err));
    finish(file, req, err);
}

static void set_direct(struct file *file, bool direct) {
    int flags = fcntl(file->fd, F_GETFL);
    if (flags < 0 || fcntl(file->fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT)) {
        log_info("image '%s' goes through the page cache: %s", file->name, strerror(errno));
        return;
    }
    file->direct = direct;
}

/* The storage takes no pieces as small as this one: the page cache does. */
static void fall_back(struct file *file, struct block_req *req) {
    if (file->direct) {
        log_info("image '%s' goes through the page cache: its storage refuses %zu bytes at %llu",
                 file->name, req->len, (unsigned long long)req->offset);
        set_direct(file, false);
    }
    aio_job_of(req)->direct = false;
    restart(file, req);
}

static void moved(struct file *file, struct block_req *req) {
    struct aio_job *job = aio_job_of(req);
    if (job->result == -EINTR || job->result == -EAGAIN) {
        restart(file, req);
    } else if (job->result == -EINVAL && job->direct) {
        fall_back(file, req);
    } else if (job->result < 0) {
        fail(file, req, (int)-job->result);
    } else if (job->moved + (uint64_t)job->result >= req->len) {
        if (req->op == BLOCK_WRITE)
            grow(file, req->offset + req->len);
        finish(file, req, 0);
    } else if (job->result == 0 && req->op == BLOCK_READ) {
        end_of_file(file, req);
    } else if (job->result == 0) {
        fail(file, req, ENOSPC);
    } else {
        job->moved += (uint64_t)job->result;
        restart(file, req);
    }
}

/* Discarding is a hint: where the file can't do it, nothing happens. */
static void punched(struct file *file, struct block_req *req) {
    int64_t result = aio_job_of(req)->result;
    if (result == -EOPNOTSUPP || result == -ENOSYS || result == -ENODEV)
        file->no_punch = true;
    if (result == -EIO)
        fail(file, req, EIO);
    else
        finish(file, req, 0);
}

static void finished(struct file *file, struct aio_job *job) {
    struct block_req *req = aio_req_of(job);
    switch (req->op) {
    case BLOCK_READ:
    case BLOCK_WRITE:
        moved(file, req);
        break;
    case BLOCK_FLUSH:
        /* what has no stable storage of its own has nothing to flush */
        if (!job->result || job->result == -EINVAL || job->result == -EROFS)
            finish(file, req, 0);
        else
            fail(file, req, (int)-job->result);
        break;
    case BLOCK_DISCARD:
        punched(file, req);
        break;
    }
}

/* ---- the queue ---- */

static void file_ready(void *arg);

static bool have_aio(struct file *file) {
    if (!file->aio && file->how == IMAGE_AIO_BEST)
        file->aio = aio_uring_new(file->loop, file->fd, file_ready, file);
    if (!file->aio)
        file->aio = aio_threads_new(file->loop, file->fd, file_ready, file);
    if (!file->aio)
        log_error("image '%s': neither io_uring nor threads for its I/O: %s", file->name,
                  strerror(errno));
    return file->aio;
}

/* False: some of it has to be tried again. */
static bool start_all(struct file *file) {
    while (file->todo) {
        struct aio_job *job = aio_job_of(file->todo);
        if (job->refused) {
            struct block_req *req = dequeue(file);
            req->done(req, (int)job->result);
            continue;
        }
        if (!have_aio(file)) {
            finish(file, dequeue(file), EIO);
            continue;
        }
        if (!file->aio->ops->start(file->aio, job))
            break;
        dequeue(file);
        file->under_way++;
    }
    bool sent = !file->aio || file->aio->ops->submit(file->aio);
    return sent && (!file->todo || file->under_way); /* one that ends brings another turn */
}

static void reap_all(struct file *file, bool wait) {
    struct aio_job *job;
    while (file->under_way && (job = file->aio->ops->reap(file->aio, wait))) {
        file->under_way--;
        wait = false;
        finished(file, job);
    }
}

static void leave(struct file *file);

static void turn(void *arg) {
    struct file *file = arg;
    file->inside++;
    bool all = start_all(file);
    reap_all(file, false);
    if (!all && !file->freed)
        loop_defer(file->loop, &file->task);
    leave(file);
}

static void file_ready(void *arg) {
    turn(arg);
}

/* ---- what core/block.h asks ---- */

static void refuse(struct file *file, struct block_req *req, int err) {
    *aio_job_of(req) = (struct aio_job){.refused = true, .result = err};
    enqueue(file, req);
}

static void file_refuse(struct block *block, struct block_req *req, int err) {
    refuse(file_of(block), req, err);
}

static void file_submit(struct block *block, struct block_req *req) {
    static const uint8_t kinds[] = {[BLOCK_READ] = AIO_READ, [BLOCK_WRITE] = AIO_WRITE,
                                    [BLOCK_FLUSH] = AIO_SYNC, [BLOCK_DISCARD] = AIO_PUNCH};
    struct file *file = file_of(block);
    if (req->op == BLOCK_WRITE && !file->block.growable &&
        req->offset + req->len > file->file_size) {
        log_guest(&file->grows,
                  "image '%s': the guest writes into the last sector, which the file has only a "
                  "part of: its size %llu is no multiple of 512",
                  file->name, (unsigned long long)file->file_size);
        refuse(file, req, EIO);
        return;
    }
    if (!req->len && req->op != BLOCK_FLUSH) {
        refuse(file, req, 0);
        return;
    }
    if ((req->op == BLOCK_DISCARD && file->no_punch) ||
        (req->op == BLOCK_FLUSH && file->block.read_only)) {
        refuse(file, req, 0);
        return;
    }
    struct aio_job *job = aio_job_of(req);
    *job = (struct aio_job){
        .fd = file->fd, .kind = kinds[req->op], .direct = file->direct, .offset = req->offset,
        .len = req->len, .size = file->file_size, .iov = req->iov,
        .niov = (uint16_t)MIN(req->niov, (unsigned)CALL_IOVS)};
    bool data = req->op == BLOCK_READ || req->op == BLOCK_WRITE;
    if (file->direct && data && !is_aligned(req) && !bounce(req, job))
        refuse(file, req, ENOMEM);
    else
        enqueue(file, req);
}

static void file_drain(struct block *block) {
    struct file *file = file_of(block);
    file->inside++;
    while (file->todo || file->under_way) {
        start_all(file);
        reap_all(file, true);
    }
    leave(file);
}

static void file_free(struct block *block) {
    struct file *file = file_of(block);
    file->inside++;
    file->freed = true;
    leave(file);
}

/* A `done` may have put the image away: that happens when nobody stands on it any more. */
static void leave(struct file *file) {
    if (--file->inside || !file->freed)
        return;
    loop_cancel(file->loop, &file->task);
    if (file->aio)
        file->aio->ops->free(file->aio);
    if (file->fd >= 0)
        close(file->fd);
    free(file);
}

/* The size of a regular file or block device, or 0 and a sentence. */
static uint64_t size_of(int fd, const struct stat *st, const char *name, char *why,
                        size_t why_len) {
    uint64_t size = 0;
    if (S_ISREG(st->st_mode)) {
        size = (uint64_t)st->st_size;
        if (!size)
            snprintf(why, why_len, "image '%s' is empty: a disk has at least one sector", name);
    } else if (S_ISBLK(st->st_mode)) {
        if (ioctl(fd, BLKGETSIZE64, &size))
            snprintf(why, why_len, "image '%s': its size can't be had: %s", name, strerror(errno));
        else if (!size)
            snprintf(why, why_len, "image '%s' is a device without a medium", name);
    } else {
        snprintf(why, why_len, "image '%s' is a %s: expected a regular file or a block device",
                 name,
                 S_ISDIR(st->st_mode) ? "directory" : S_ISCHR(st->st_mode) ? "character device"
                 : S_ISFIFO(st->st_mode) ? "pipe" : "socket");
    }
    return size;
}

/* Only larger: what the guest has there must stay. A device has the size it has. */
static bool file_resize(struct block *block, uint64_t size, char *why, size_t why_len) {
    struct file *file = file_of(block);
    struct stat st;
    fstat(file->fd, &st);
    uint64_t now = size_of(file->fd, &st, file->name, why, why_len);
    if (!now)
        return false;
    if (size < block->size) {
        snprintf(why, why_len, "image '%s' has %llu bytes: it can't be made smaller while a guest "
                 "uses it", file->name, (unsigned long long)block->size);
        return false;
    }
    if (size > now && ftruncate(file->fd, (off_t)size)) {
        snprintf(why, why_len, "image '%s' has %llu bytes and can't be made larger: %s",
                 file->name, (unsigned long long)now, strerror(errno));
        return false;
    }
    log_info("image '%s' had %llu bytes and has %llu now", file->name,
             (unsigned long long)file->file_size, (unsigned long long)size);
    file->file_size = size;
    block_resized(block, size);
    return true;
}

static const struct block_ops file_ops = {
    .submit = file_submit, .refuse = file_refuse, .drain = file_drain, .free = file_free,
    .resize = file_resize,
};

static bool set_flags(int fd, const char *name, const struct image_options *options, char *why,
                      size_t why_len) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) {
        snprintf(why, why_len, "image '%s': %s", name, strerror(errno));
        return false;
    }
    if (!options->read_only && (flags & O_ACCMODE) == O_RDONLY) {
        snprintf(why, why_len, "image '%s' is open for reading only, and the drive is writable",
                 name);
        return false;
    }
    /* a request that has to wait must wait, not fail */
    flags = (flags & ~O_NONBLOCK) | (options->direct ? O_DIRECT : 0);
    if (fcntl(fd, F_SETFL, flags)) {
        snprintf(why, why_len, "image '%s' can't be opened past the page cache: %s", name,
                 strerror(errno));
        return false;
    }
    return true;
}

bool file_set_direct(struct block *block, bool direct) {
    if (block->ops != &file_ops)
        return false;
    struct file *file = file_of(block);
    if (file->direct == direct)
        return true;
    file_drain(block); /* what waits was made for the other way */
    set_direct(file, direct);
    return file->direct == direct;
}

/* What the storage takes and frees together. */
static void look_at_storage(struct file *file, const struct stat *st) {
    int sector = 0;
    if (S_ISREG(st->st_mode))
        file->block.discard_unit = (uint32_t)st->st_blksize;
    else if (!ioctl(file->fd, BLKSSZGET, &sector) && sector > 0)
        file->block.sector = (uint32_t)sector;
}

struct block *file_open_fd(struct loop *loop, int fd, const char *name, bool below,
                           const struct image_options *options, char *why, size_t why_len) {
    struct stat st;
    if (fstat(fd, &st)) {
        snprintf(why, why_len, "image '%s': %s", name, strerror(errno));
        return NULL;
    }
    uint64_t size = size_of(fd, &st, name, why, why_len);
    if (!size || !set_flags(fd, name, options, why, why_len))
        return NULL;
    struct file *file = calloc(1, sizeof(*file) + strlen(name) + 1);
    if (!file) {
        snprintf(why, why_len, "image '%s': out of memory", name);
        return NULL;
    }
    strcpy(file->name, name);
    file->block = (struct block){.ops = &file_ops, .name = file->name,
                                 .size = (size + 511) & ~UINT64_C(511),
                                 .read_only = options->read_only,
                                 .growable = below && S_ISREG(st.st_mode), .users = 1};
    file->loop = loop;
    file->task = (struct loop_task){.run = turn, .arg = file};
    file->how = options->aio;
    file->fd = fd;
    file->file_size = size;
    file->direct = options->direct;
    file->todo_end = &file->todo;
    look_at_storage(file, &st);
    return &file->block;
}

struct block *file_open(struct loop *loop, const char *path, bool below,
                        const struct image_options *options, char *why, size_t why_len) {
    /* without waiting for a pipe's writer */
    int mode = options->read_only ? O_RDONLY : O_RDWR;
    int fd = open(path, mode | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == EISDIR) {
        snprintf(why, why_len,
                 "image '%s' is a directory: expected a regular file or a block device", path);
        return NULL;
    }
    if (fd < 0) {
        snprintf(why, why_len, "image '%s' can't be opened for %s: %s", path,
                 options->read_only ? "reading" : "writing", strerror(errno));
        return NULL;
    }
    struct block *block = file_open_fd(loop, fd, path, below, options, why, why_len);
    if (!block)
        close(fd);
    return block;
}

void file_give_back(struct block *block) {
    file_of(block)->fd = -1;
    block_put(block);
}
