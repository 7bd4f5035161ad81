/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop: readiness, removal inside callbacks, tasks, timers by the real clock, signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "loop.h"

struct pipe_watch {
    struct loop *loop;
    struct loop_fd fd;
    int to;
    unsigned calls, events;
    struct pipe_watch *victim; /* removed when this one is called */
    struct clock *nested;      /* a turn inside the callback */
};

static void pipe_ready(void *arg, unsigned events) {
    struct pipe_watch *w = arg;
    char c;
    w->calls++;
    w->events = events;
    if (read(w->fd.fd, &c, 1) < 0)
        assert_int_equal(errno, EAGAIN);
    if (w->victim)
        loop_remove(w->loop, &w->victim->fd);
    if (w->nested)
        loop_once(w->loop, w->nested, 0);
}

static void watch(struct pipe_watch *w, struct loop *loop) {
    int fds[2];
    assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    *w = (struct pipe_watch){.loop = loop, .to = fds[1]};
    w->fd = (struct loop_fd){
        .fd = fds[0], .ready = pipe_ready, .arg = w, .events = LOOP_READ};
    assert_true(loop_add(loop, &w->fd));
}

static void poke(struct pipe_watch *w) {
    assert_int_equal(write(w->to, "x", 1), 1);
}

static void unwatch(struct pipe_watch *w) {
    loop_remove(w->loop, &w->fd);
    close(w->fd.fd);
    close(w->to);
}

struct board {
    struct loop *loop;
    struct clock *clock;
};

static int setup(void **state) {
    static struct board board;
    board.loop = loop_new();
    board.clock = clock_new(loop_monotonic, NULL);
    *state = &board;
    return board.loop ? 0 : -1;
}

static int teardown(void **state) {
    struct board *b = *state;
    loop_free(b->loop);
    clock_free(b->clock);
    return 0;
}

static void descriptors_are_called_when_ready(void **state) {
    struct board *b = *state;
    struct pipe_watch a, c;
    watch(&a, b->loop);
    watch(&c, b->loop);
    assert_int_equal(loop_once(b->loop, b->clock, 0), 0);
    poke(&c);
    assert_int_equal(loop_once(b->loop, b->clock, LOOP_FOREVER), 1);
    assert_int_equal(a.calls, 0);
    assert_int_equal(c.calls, 1);
    assert_int_equal(c.events, LOOP_READ);
    unwatch(&a);
    unwatch(&c);
}

static void watched_for_nothing_stays_quiet_even_when_hung_up(void **state) {
    struct board *b = *state;
    struct pipe_watch a;
    watch(&a, b->loop);
    loop_change(b->loop, &a.fd, 0);
    close(a.to);
    assert_int_equal(loop_once(b->loop, b->clock, 0), 0);
    loop_change(b->loop, &a.fd, LOOP_READ);
    assert_int_equal(loop_once(b->loop, b->clock, 0), 1);
    assert_int_equal(a.events, LOOP_READ | LOOP_WRITE);
    a.to = dup(a.fd.fd);
    unwatch(&a);
}

static void a_callback_may_remove_another_that_is_ready_too(void **state) {
    struct board *b = *state;
    struct pipe_watch a, c;
    watch(&a, b->loop);
    watch(&c, b->loop);
    a.victim = &c;
    c.victim = &a;
    poke(&a);
    poke(&c);
    loop_once(b->loop, b->clock, 0);
    assert_int_equal(a.calls + c.calls, 1);
    unwatch(&a);
    unwatch(&c);
}

static void a_turn_inside_a_callback_sees_removals_too(void **state) {
    struct board *b = *state;
    struct pipe_watch a, c, d;
    watch(&a, b->loop);
    watch(&c, b->loop);
    watch(&d, b->loop);
    /* whichever comes first takes a turn, in which the third removes both */
    a.nested = c.nested = b->clock;
    a.victim = &c;
    c.victim = &a;
    poke(&a);
    poke(&c);
    poke(&d);
    loop_once(b->loop, b->clock, 0);
    assert_int_equal(a.calls + c.calls, 1);
    assert_true(d.calls >= 1);
    unwatch(&a);
    unwatch(&c);
    unwatch(&d);
}

struct tally {
    struct board *b;
    struct loop_task task;
    unsigned runs;
    bool again, nested;
};

static void tally_run(void *arg) {
    struct tally *t = arg;
    t->runs++;
    if (t->again)
        loop_defer(t->b->loop, &t->task);
    if (t->nested && t->runs == 1)
        loop_once(t->b->loop, t->b->clock, 0);
}

static void tasks_run_before_it_sleeps(void **state) {
    struct board *b = *state;
    struct tally one = {.b = b}, two = {.b = b, .again = true}, three = {.b = b};
    one.task = (struct loop_task){.run = tally_run, .arg = &one};
    two.task = (struct loop_task){.run = tally_run, .arg = &two};
    three.task = (struct loop_task){.run = tally_run, .arg = &three};
    loop_defer(b->loop, &one.task);
    loop_defer(b->loop, &one.task);
    loop_defer(b->loop, &two.task);
    loop_defer(b->loop, &three.task);
    loop_cancel(b->loop, &three.task);
    loop_once(b->loop, b->clock, LOOP_FOREVER);
    assert_int_equal(one.runs, 1);
    assert_int_equal(two.runs, 2); /* what a task defers is done in the same turn, once */
    assert_int_equal(three.runs, 0);
    loop_once(b->loop, b->clock, LOOP_FOREVER); /* one waits: no sleep */
    assert_int_equal(two.runs, 4);
    loop_cancel(b->loop, &two.task);
    loop_defer(b->loop, &three.task); /* the list's end is right after a cancel */
    loop_once(b->loop, b->clock, LOOP_FOREVER);
    assert_int_equal(three.runs, 1);
    assert_int_equal(two.runs, 4);
}

static void a_task_may_take_a_turn(void **state) {
    struct board *b = *state;
    struct tally one = {.b = b, .nested = true}, two = {.b = b};
    one.task = (struct loop_task){.run = tally_run, .arg = &one};
    two.task = (struct loop_task){.run = tally_run, .arg = &two};
    loop_defer(b->loop, &one.task);
    loop_defer(b->loop, &two.task);
    loop_once(b->loop, b->clock, 0);
    assert_int_equal(one.runs, 1);
    assert_int_equal(two.runs, 1);
}

struct gaze {
    struct board *b;
    struct loop_look look;
    unsigned looks, finds, busy;
    struct loop_task *then; /* what it finds to do, each time */
};

static bool gaze(void *arg) {
    struct gaze *g = arg;
    g->looks++;
    g->busy += loop_busy(g->b->loop);
    if (!g->finds)
        return false;
    g->finds--;
    if (g->then)
        loop_defer(g->b->loop, g->then);
    return true;
}

static void looks_come_before_a_sleep_and_instead_of_it(void **state) {
    struct board *b = *state;
    struct tally task = {.b = b};
    struct gaze one = {.b = b, .finds = 2, .then = &task.task}, two = {.b = b};
    struct pipe_watch w;
    task.task = (struct loop_task){.run = tally_run, .arg = &task};
    one.look = (struct loop_look){.look = gaze, .arg = &one};
    two.look = (struct loop_look){.look = gaze, .arg = &two};
    watch(&w, b->loop);
    loop_look_add(b->loop, &one.look);
    loop_look_add(b->loop, &two.look);
    loop_once(b->loop, b->clock, LOOP_FOREVER); /* found: no sleep, and what it found is done */
    loop_once(b->loop, b->clock, LOOP_FOREVER);
    assert_int_equal(one.looks, 2);
    assert_int_equal(two.looks, 2);
    assert_int_equal(task.runs, 2);
    assert_int_equal(w.calls, 0);
    poke(&w);
    loop_once(b->loop, b->clock, LOOP_FOREVER); /* nothing found: descriptors get their turn */
    assert_int_equal(one.looks, 3);
    assert_int_equal(w.calls, 1);
    loop_once(b->loop, b->clock, 0); /* it would not sleep */
    loop_defer(b->loop, &task.task);
    assert_true(loop_busy(b->loop));
    loop_once(b->loop, b->clock, LOOP_FOREVER); /* nor here */
    assert_int_equal(one.looks, 3);
    assert_int_equal(one.busy + two.busy, 0);
    loop_look_remove(b->loop, &two.look);
    loop_look_remove(b->loop, &two.look); /* not there any more: nothing happens */
    poke(&w);
    loop_once(b->loop, b->clock, LOOP_FOREVER);
    assert_int_equal(one.looks, 4);
    assert_int_equal(two.looks, 3);
    loop_look_remove(b->loop, &one.look);
    unwatch(&w);
}

/* A look that always finds something has the loop to itself for a while, not for ever. */
static void looks_leave_descriptors_a_turn(void **state) {
    struct board *b = *state;
    struct gaze gazes = {.b = b, .finds = UINT32_MAX};
    struct pipe_watch w;
    gazes.look = (struct loop_look){.look = gaze, .arg = &gazes};
    watch(&w, b->loop);
    loop_look_add(b->loop, &gazes.look);
    for (unsigned i = 1; i <= 5; i++) {
        unsigned before = gazes.looks;
        poke(&w);
        while (w.calls < i && gazes.looks < before + 100)
            loop_once(b->loop, b->clock, LOOP_FOREVER);
        assert_int_equal(w.calls, i);
    }
    assert_true(gazes.looks >= 5 * 4);
    loop_look_remove(b->loop, &gazes.look);
    unwatch(&w);
}

static void count_and_stop(void *arg) {
    struct tally *t = arg;
    t->runs++;
    loop_stop(t->b->loop);
}

static void timers_end_the_sleep(void **state) {
    struct board *b = *state;
    struct tally t = {.b = b};
    struct timer timer;
    timer_init(&timer, b->clock, count_and_stop, &t);
    uint64_t before = loop_monotonic(NULL);
    timer_after(&timer, 3 * NS_PER_MS);
    struct rusage r0, r1;
    getrusage(RUSAGE_SELF, &r0);
    loop_run(b->loop, b->clock);
    getrusage(RUSAGE_SELF, &r1);
    assert_int_equal(t.runs, 1);
    assert_true(loop_monotonic(NULL) - before >= 3 * NS_PER_MS);
    assert_true(r1.ru_nvcsw - r0.ru_nvcsw <= 2); /* it slept, and once */
}

static void timers_run_though_descriptors_never_rest(void **state) {
    struct board *b = *state;
    struct pipe_watch a;
    watch(&a, b->loop);
    close(a.to); /* ready for ever */
    struct tally t = {.b = b};
    struct timer timer;
    timer_init(&timer, b->clock, count_and_stop, &t);
    timer_after(&timer, NS_PER_MS);
    loop_run(b->loop, b->clock);
    assert_int_equal(t.runs, 1);
    a.to = dup(a.fd.fd);
    unwatch(&a);
}

static void got_signal(void *arg, int signo) {
    struct board *b = arg;
    assert_true(signo == SIGTERM || signo == SIGHUP);
    loop_stop(b->loop);
}

static void signals_end_the_sleep(void **state) {
    struct board *b = *state;
    assert_true(loop_signal(b->loop, SIGTERM, got_signal, b));
    assert_true(loop_signal(b->loop, SIGHUP, got_signal, b));
    raise(SIGHUP);
    loop_run(b->loop, b->clock);
    raise(SIGTERM);
    loop_run(b->loop, b->clock);
    loop_run(b->loop, (raise(SIGTERM), NULL)); /* without a clock */
}

static void what_epoll_refuses_is_said(void **state) {
    struct board *b = *state;
    struct loop_fd fd = {.fd = -1, .ready = pipe_ready, .events = LOOP_READ};
    assert_false(loop_add(b->loop, &fd));
    assert_int_equal(errno, EBADF);
    assert_false(fd.added);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(descriptors_are_called_when_ready),
        T(watched_for_nothing_stays_quiet_even_when_hung_up),
        T(a_callback_may_remove_another_that_is_ready_too),
        T(a_turn_inside_a_callback_sees_removals_too),
        T(tasks_run_before_it_sleeps),
        T(a_task_may_take_a_turn),
        T(looks_come_before_a_sleep_and_instead_of_it),
        T(looks_leave_descriptors_a_turn),
        T(timers_end_the_sleep),
        T(timers_run_though_descriptors_never_rest),
        T(signals_end_the_sleep),
        T(what_epoll_refuses_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
