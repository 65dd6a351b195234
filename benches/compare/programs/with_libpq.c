// libpq's side of workload 3s: point SELECTs in pipeline mode with one sync for all of some thousands.
//
//     with_libpq SOCKET_DIRECTORY PORT USER COUNT
//
// Prints what was measured as the drivers in Rust do.

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static const char *const POINT_SELECT = "SELECT id, name, at FROM item WHERE id = $1";
static const int ITEMS = 10000;
static const int BATCH = 10000;

static void fail(const char *what, PGconn *connection) {
    fprintf(stderr, "%s: %s", what, PQerrorMessage(connection));
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static double cpu(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static long sum = 0;

// Takes the results that have come; returns how many statements they end, and sets `synced` at the sync's.
static int take_results(PGconn *connection, int *synced) {
    int ended = 0;
    while (!*synced && !PQisBusy(connection)) {
        PGresult *result = PQgetResult(connection);
        if (result == NULL) {
            ended++;
            continue;
        }
        switch (PQresultStatus(result)) {
        case PGRES_TUPLES_OK: {
            uint32_t id;
            char name[64];
            memcpy(&id, PQgetvalue(result, 0, 0), 4);
            int length = PQgetlength(result, 0, 1);
            if (length > 63)
                length = 63;
            memcpy(name, PQgetvalue(result, 0, 1), length);
            sum += ntohl(id) + name[0] + PQgetvalue(result, 0, 2)[7];
            break;
        }
        case PGRES_PIPELINE_SYNC:
            *synced = 1;
            break;
        default:
            fail("a statement failed", connection);
        }
        PQclear(result);
    }
    return ended;
}

static void run_batch(PGconn *connection, int count) {
    for (int i = 0; i < count; i++) {
        uint32_t id = htonl(i % ITEMS);
        const char *values[] = {(const char *)&id};
        int lengths[] = {4}, formats[] = {1};
        if (!PQsendQueryPrepared(connection, "s1", 1, values, lengths, formats, 1))
            fail("could not send", connection);
    }
    if (!PQpipelineSync(connection))
        fail("could not sync", connection);
    int synced = 0;
    while (!synced) {
        int unsent = PQflush(connection);
        if (unsent < 0)
            fail("could not flush", connection);
        struct pollfd socket = {PQsocket(connection), POLLIN | (unsent ? POLLOUT : 0), 0};
        poll(&socket, 1, -1);
        if (socket.revents & POLLIN && !PQconsumeInput(connection))
            fail("could not read", connection);
        take_results(connection, &synced);
    }
}

int main(int count_of_arguments, char **arguments) {
    if (count_of_arguments != 5)
        return 2;
    const char *keys[] = {"host", "port", "user", "dbname", NULL};
    const char *values[] = {arguments[1], arguments[2], arguments[3], "postgres", NULL};
    PGconn *connection = PQconnectdbParams(keys, values, 0);
    if (PQstatus(connection) != CONNECTION_OK)
        fail("could not connect", connection);
    PQclear(PQprepare(connection, "s1", POINT_SELECT, 0, NULL));
    PQsetnonblocking(connection, 1);
    PQenterPipelineMode(connection);

    int count = atoi(arguments[4]);
    double begun = now(), cpu_before = cpu();
    for (int left = count; left > 0; left -= BATCH)
        run_batch(connection, left < BATCH ? left : BATCH);
    double seconds = now() - begun, cpu_seconds = cpu() - cpu_before;
    if (sum == 0)
        return 3;

    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"count\": %d, \"seconds\": %f, \"cpu_seconds\": %f, \"peak_kib\": %ld}\n", count, seconds, cpu_seconds,
           usage.ru_maxrss);
    PQfinish(connection);
    return 0;
}
