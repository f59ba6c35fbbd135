/*
 * A server whose answers are their own ground truth: the text of each token is the time at which it was sent.
 *
 * It streams chat completions (POST /v1/chat/completions) and Ollama's chat (POST /api/chat) on loopback. The
 * schedule of an answer is the model's name, `ttft_us=200000,itl_us=40000,tokens=32`; server.py describes the
 * keys. A token's text is "<ns> ", that of the first event begins with "@<ns> ", the arrival of its request:
 * nanoseconds of CLOCK_MONOTONIC, the clock of Python's perf_counter on Linux. So
 *
 *     true TTFT = first token - arrival,    true gap = token - token before
 *
 * whatever the machine does to the schedule: a late timer delays the event and its text alike.
 *
 * One thread waits with epoll for requests and for the earliest deadline. Deadlines are absolute, so that a
 * late event does not delay those after it. Linux only. It prints its port, and ends with its parent.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 4096, MAX_REQUEST = 16 << 20, MAX_PER_EVENT = 64, MODEL_LENGTH = 320 };

/* Times in microseconds; each key is described in server.py. */
struct schedule {
	long ttft_us, itl_us, tokens, tokens_per_event, role_us, split_us, reasoning, comments, together;
	long error_after, drop_after, usage, usage_us, prompt_tokens, cached_tokens, same_text;
	long pause_every, pause_us, crowded_us, overload, cached_answers, nagle, request_kib, kept_kib;
};

static const struct schedule DEFAULTS = {.tokens = 1, .tokens_per_event = 1, .usage = 1};

#define KEY(name) {#name, offsetof(struct schedule, name)}
static const struct {
	const char *name;
	size_t offset;
} KEYS[] = {
	KEY(ttft_us), KEY(itl_us), KEY(tokens), KEY(tokens_per_event), KEY(role_us), KEY(split_us),
	KEY(reasoning), KEY(comments), KEY(together), KEY(error_after), KEY(drop_after), KEY(usage),
	KEY(usage_us), KEY(prompt_tokens), KEY(cached_tokens), KEY(same_text), KEY(pause_every),
	KEY(pause_us), KEY(crowded_us), KEY(overload), KEY(cached_answers), KEY(nagle), KEY(request_kib),
	KEY(kept_kib),
};

enum step { ROLE, EVENT, REST_OF_EVENT, END };

struct connection {
	int fd; /* 0: free */
	/* The request, until it is complete. */
	char *input;
	size_t length, capacity;
	/* The answer: its next step and when that is due; due 0: none. */
	enum step step;
	int64_t due, arrived;
	long sent; /* tokens */
	bool ollama, repeated;
	char *held;
	char model[MODEL_LENGTH];
	struct schedule schedule;
};

#define OPENAI_CHUNK                                                                                             \
	"data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":\"%s\","                \
	"\"choices\":"

/* What one send() carries: events that belong together are not delayed by a system call in between. */
struct output {
	char bytes[16384];
	size_t length;
};

static struct connection connections[MAX_CONNECTIONS];
static int used; /* those from here on were never used */
static int poller;
static long most_streams;
static char *volatile kept;

static void require(bool good, const char *what)
{
	if (!good) {
		perror(what);
		exit(1);
	}
}

static int64_t now(clockid_t clock)
{
	struct timespec time;
	clock_gettime(clock, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* Wall clock minus monotonic clock. A pair of readings that was interrupted would be wrong by a time slice. */
static int64_t clock_offset(void)
{
	int64_t offset = 0, least = INT64_MAX;
	for (int attempt = 0; attempt < 5 && least > 1000; attempt++) {
		int64_t before = now(CLOCK_MONOTONIC), wall = now(CLOCK_REALTIME);
		int64_t took = now(CLOCK_MONOTONIC) - before;
		if (took < least) {
			least = took;
			offset = wall - before - took / 2;
		}
	}
	return offset;
}

/* When the bytes of a read reached this host: the kernel's stamp, so that a late wake-up does not count. */
static int64_t arrival(struct msghdr *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part))
		if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec stamp;
			memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
			return stamp.tv_sec * 1000000000LL + stamp.tv_nsec - clock_offset();
		}
	return now(CLOCK_MONOTONIC);
}

/* ---- schedule ------------------------------------------------------------------------------------------ */

/* Reads "key=number,key=number", or with ";" for clients to which a comma separates names; false with the reason in `wrong`. */
static bool read_schedule(const char *text, struct schedule *schedule, char *wrong, size_t size)
{
	*schedule = DEFAULTS;
	while (*text) {
		size_t length = strcspn(text, "=,;"), key = 0, keys = sizeof KEYS / sizeof *KEYS;
		while (key < keys && (strlen(KEYS[key].name) != length || strncmp(KEYS[key].name, text, length)))
			key++;
		char *end = (char *)text + length;
		long value = *end == '=' ? strtol(end + 1, &end, 10) : -1;
		if (key == keys || value < 0 || (*end && *end != ',' && *end != ';')) {
			snprintf(wrong, size, "no schedule: %.80s", text);
			return false;
		}
		*(long *)((char *)schedule + KEYS[key].offset) = value;
		text = *end ? end + 1 : end;
	}
	if (schedule->tokens_per_event < 1 || schedule->tokens_per_event > MAX_PER_EVENT) {
		snprintf(wrong, size, "tokens_per_event has to be 1 to %d", MAX_PER_EVENT);
		return false;
	}
	return true;
}

/* The streams that are open now, and the most that were open at once. */
static long open_streams(void)
{
	long streams = 0;
	for (int number = 0; number < used; number++)
		streams += connections[number].due != 0;
	if (streams > most_streams)
		most_streams = streams;
	return streams;
}

/* The time after the last event, of a server whose speed depends on what else it has to do or has done. */
static int64_t varying_interval(const struct connection *one)
{
	const struct schedule *s = &one->schedule;
	int64_t interval = s->itl_us * s->tokens_per_event * 1000;
	long streams = open_streams();
	interval += s->crowded_us * 1000 * streams * (streams - 1) / 2;
	if (s->overload && most_streams >= s->overload)
		interval *= 2;
	return one->repeated ? interval / 4 : interval;
}

/* When event `number` of the answer is due; streams that tick together share a grid of deadlines. */
static int64_t due_of_event(const struct connection *one, long number)
{
	const struct schedule *s = &one->schedule;
	if (number && (s->crowded_us || s->overload || s->cached_answers))
		return one->due + varying_interval(one);
	int64_t interval = s->itl_us * s->tokens_per_event * 1000;
	int64_t due = one->arrived + s->ttft_us * 1000 + number * interval;
	if (s->pause_every)
		due += number / s->pause_every * s->pause_us * 1000;
	if (s->together && interval)
		due = (due + interval - 1) / interval * interval;
	return due;
}

/* ---- output -------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void add(struct output *output, const char *format, ...)
{
	va_list values;
	va_start(values, format);
	output->length += vsnprintf(output->bytes + output->length, sizeof output->bytes - output->length,
				    format, values);
	va_end(values);
}

/* One HTTP chunk. */
__attribute__((format(printf, 2, 3))) static void add_chunk(struct output *output, const char *format, ...)
{
	char data[8192];
	va_list values;
	va_start(values, format);
	int length = vsnprintf(data, sizeof data, format, values);
	va_end(values);
	add(output, "%x\r\n%s\r\n", length, data);
}

static void drop(struct connection *one)
{
	close(one->fd); /* also removes it from the poller */
	free(one->input);
	free(one->held);
	memset(one, 0, sizeof *one);
}

/* A client that reads so slowly that the socket's buffer is full is dropped: nothing here may wait for it. */
static bool send_all(struct connection *one, const struct output *output)
{
	if (send(one->fd, output->bytes, output->length, MSG_NOSIGNAL) == (ssize_t)output->length)
		return true;
	drop(one);
	return false;
}

/* An event up to its text, and after it. */
static void head_of_event(const struct connection *one, char *head, size_t size)
{
	bool reasoning = one->sent < one->schedule.reasoning;
	if (one->ollama)
		snprintf(head, size,
			 "{\"model\":\"%s\",\"created_at\":\"2026-01-01T00:00:00Z\","
			 "\"message\":{\"role\":\"assistant\",%s\"",
			 one->model, reasoning ? "\"content\":\"\",\"thinking\":" : "\"content\":");
	else
		snprintf(head, size, OPENAI_CHUNK "[{\"index\":0,\"delta\":{\"%s\":\"", one->model,
			 reasoning ? "reasoning_content" : "content");
}

static const char *tail_of_event(const struct connection *one)
{
	return one->ollama ? "\"},\"done\":false}\n" : "\"},\"finish_reason\":null}]}\n\n";
}

/* The tokens of one event: all of them are sent now. */
static void text_of_event(struct connection *one, char *text, size_t size)
{
	bool times = !one->schedule.same_text;
	int length = one->sent || !times ? 0 : snprintf(text, size, "@%lld ", (long long)one->arrived);
	int64_t time = now(CLOCK_MONOTONIC);
	for (long left = one->schedule.tokens_per_event; left && one->sent < one->schedule.tokens; left--) {
		length += snprintf(text + length, size - length, "%lld ", times ? (long long)time : (long long)one->sent);
		one->sent++;
	}
}

/* An event that has content, but no token. */
static void add_role(const struct connection *one, struct output *output)
{
	if (one->ollama)
		add_chunk(output,
			  "{\"model\":\"%s\",\"created_at\":\"2026-01-01T00:00:00Z\","
			  "\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":false}\n",
			  one->model);
	else
		add_chunk(output,
			  OPENAI_CHUNK "[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
				       "\"finish_reason\":null}]}\n\n",
			  one->model);
}

/* The stream ends as one that succeeded does: only the error event shows that it failed. */
static void add_error(const struct connection *one, struct output *output)
{
	if (one->ollama)
		add_chunk(output, "{\"error\":\"synthetic failure\"}\n");
	else
		add_chunk(output, "data: {\"error\":{\"message\":\"synthetic failure\",\"type\":\"server_error\"}}\n\n"
				  "data: [DONE]\n\n");
	add(output, "0\r\n\r\n");
}

static void add_end(const struct connection *one, struct output *output)
{
	const struct schedule *s = &one->schedule;
	if (one->ollama) {
		add_chunk(output,
			  "{\"model\":\"%s\",\"created_at\":\"2026-01-01T00:00:00Z\","
			  "\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,"
			  "\"done_reason\":\"length\",\"prompt_eval_count\":%ld,\"eval_count\":%ld}\n",
			  one->model, s->prompt_tokens, one->sent);
	} else {
		add_chunk(output, OPENAI_CHUNK "[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n",
			  one->model);
		if (s->usage)
			add_chunk(output,
				  OPENAI_CHUNK "[],\"usage\":{\"prompt_tokens\":%ld,\"completion_tokens\":%ld,"
					       "\"total_tokens\":%ld,"
					       "\"prompt_tokens_details\":{\"cached_tokens\":%ld}}}\n\n",
				  one->model, s->prompt_tokens, one->sent, s->prompt_tokens + one->sent,
				  s->cached_tokens);
		add_chunk(output, "data: [DONE]\n\n");
	}
	add(output, "0\r\n\r\n");
}

/* ---- the answer, step by step -------------------------------------------------------------------------- */

static void schedule_next(struct connection *one)
{
	const struct schedule *s = &one->schedule;
	if (one->sent < s->tokens) {
		one->step = EVENT;
		one->due = due_of_event(one, one->sent / s->tokens_per_event);
	} else {
		one->step = END;
		one->due = now(CLOCK_MONOTONIC) + s->usage_us * 1000;
	}
}

/* The connection stays open for the next request. */
static void finish(struct connection *one, const struct output *output)
{
	free(one->held);
	one->held = NULL;
	if (send_all(one, output))
		one->due = 0;
}

/* A whole event, or with `split_us` its first part, then its text with the rest. */
static void send_event(struct connection *one)
{
	const struct schedule *s = &one->schedule;
	struct output output = {.length = 0};
	char head[MODEL_LENGTH + 200] = "", text[MAX_PER_EVENT * 24];
	if (one->step == EVENT) {
		head_of_event(one, head, sizeof head);
		if (s->comments && !one->ollama)
			add_chunk(&output, ": ping\n\n");
		if (s->split_us) {
			add_chunk(&output, "%s", head);
			one->step = REST_OF_EVENT;
			one->due += s->split_us * 1000;
			send_all(one, &output);
			return;
		}
	}
	text_of_event(one, text, sizeof text);
	add_chunk(&output, "%s%s%s", head, text, tail_of_event(one));
	if (send_all(one, &output))
		schedule_next(one);
}

/* Does what is due on a connection, and schedules what follows. */
static void act(struct connection *one)
{
	const struct schedule *s = &one->schedule;
	struct output output = {.length = 0};
	if (one->step == ROLE) {
		add_role(one, &output);
		if (send_all(one, &output))
			schedule_next(one);
	} else if (s->drop_after && one->sent >= s->drop_after) {
		drop(one);
	} else if (s->error_after && one->sent >= s->error_after) {
		add_error(one, &output);
		finish(one, &output);
	} else if (one->step == END) {
		add_end(one, &output);
		finish(one, &output);
	} else {
		send_event(one);
	}
}

/* ---- requests ------------------------------------------------------------------------------------------ */

static void reject(struct connection *one, const char *status, const char *reason)
{
	struct output output = {.length = 0};
	char body[256];
	int length = snprintf(body, sizeof body, "{\"error\":{\"message\":\"%s\"}}", reason);
	add(&output, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, length,
	    body);
	finish(one, &output);
}

/* The value of "model"; false when there is none, or it does not fit. */
static bool read_model(const char *body, char *model)
{
	const char *key = strstr(body, "\"model\""), *start = key ? key + 7 : "";
	start += strspn(start, " \t\r\n:");
	size_t length = *start == '"' ? strcspn(start + 1, "\"\\") : 0;
	if (!length || length >= MODEL_LENGTH)
		return false;
	memcpy(model, start + 1, length);
	model[length] = 0;
	return true;
}

/* Memory that is in use: a page counts from its first byte on. */
static char *filled(long kib)
{
	char *memory = malloc(kib * 1024);
	require(memory != NULL, "malloc");
	return memset(memory, 1, kib * 1024);
}

/* What a server keeps of a request, during it and for ever; whether it has had the same one before. */
static void remember(struct connection *one, const char *body)
{
	static uint64_t last;
	uint64_t hash = 14695981039346656037ULL;
	while (*body)
		hash = (hash ^ (unsigned char)*body++) * 1099511628211ULL;
	one->repeated = one->schedule.cached_answers && hash == last;
	last = hash;
	if (one->schedule.request_kib)
		one->held = filled(one->schedule.request_kib);
	if (one->schedule.kept_kib)
		kept = filled(one->schedule.kept_kib);
}

/* A request is complete. Status and headers go out at once, so that the first byte is not the first token. */
static void begin_answer(struct connection *one, const char *body)
{
	struct output output = {.length = 0};
	char wrong[160];
	one->sent = 0;
	one->ollama = !strncmp(one->input, "POST /api/chat ", 15);
	if (!one->ollama && strncmp(one->input, "POST /v1/chat/completions ", 26)) {
		reject(one, "404 Not Found", "no such route");
	} else if (!read_model(body, one->model)) {
		reject(one, "400 Bad Request", "no model");
	} else if (!read_schedule(one->model, &one->schedule, wrong, sizeof wrong)) {
		reject(one, "404 Not Found", wrong);
	} else {
		int no_delay = !one->schedule.nagle;
		setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof no_delay);
		add(&output, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n",
		    one->ollama ? "application/x-ndjson" : "text/event-stream");
		if (!send_all(one, &output))
			return;
		remember(one, body);
		schedule_next(one);
		if (one->schedule.role_us) {
			one->step = ROLE;
			one->due = one->arrived + one->schedule.role_us * 1000;
		}
	}
}

static bool has_room(struct connection *one)
{
	if (one->capacity - one->length > 4096)
		return true;
	size_t capacity = one->capacity ? 2 * one->capacity : 16384;
	char *input = capacity > MAX_REQUEST ? NULL : realloc(one->input, capacity);
	if (!input)
		return false;
	one->input = input;
	one->capacity = capacity;
	return true;
}

/* A client that has left, that sends during its answer, or that sends too much is dropped. */
static void read_request(struct connection *one)
{
	char control[64];
	if (one->due || !has_room(one)) {
		drop(one);
		return;
	}
	struct iovec part = {one->input + one->length, one->capacity - one->length - 1};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	ssize_t got = recvmsg(one->fd, &message, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		drop(one);
		return;
	}
	one->length += got;
	one->input[one->length] = 0;
	char *end = strstr(one->input, "\r\n\r\n"), *field = strcasestr(one->input, "\r\nContent-Length:");
	size_t body = end && field && field < end ? strtoul(field + 17, NULL, 10) : 0;
	if (end && one->length >= (size_t)(end + 4 - one->input) + body) {
		one->arrived = arrival(&message);
		begin_answer(one, end + 4);
		one->length = 0;
	}
}

static void accept_all(int listener)
{
	int fd, yes = 1;
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		int free_one = 0;
		while (free_one < used && connections[free_one].fd)
			free_one++;
		if (free_one == MAX_CONNECTIONS) {
			close(fd);
			continue;
		}
		if (free_one == used)
			used++;
		connections[free_one].fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
		setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes);
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[free_one]};
		require(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
	}
}

/* ---- the loop ------------------------------------------------------------------------------------------ */

/* Does all that is due; when the next deadline is, 0 for none. */
static int64_t act_on_due(void)
{
	int64_t time = now(CLOCK_MONOTONIC), earliest = 0;
	for (int number = 0; number < used; number++) {
		struct connection *one = &connections[number];
		if (one->due && one->due <= time)
			act(one);
		if (one->due && (!earliest || one->due < earliest))
			earliest = one->due;
	}
	return earliest;
}

static int listen_on_free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	require(listener >= 0, "socket");
	require(bind(listener, (struct sockaddr *)&address, length) == 0, "bind");
	require(listen(listener, MAX_CONNECTIONS) == 0, "listen");
	require(getsockname(listener, (struct sockaddr *)&address, &length) == 0, "getsockname");
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return listener;
}

int main(void)
{
	struct rlimit files;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	poller = epoll_create1(EPOLL_CLOEXEC);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), listener = listen_on_free_port();
	struct epoll_event on_listener = {.events = EPOLLIN, .data.ptr = &listener};
	struct epoll_event on_timer = {.events = EPOLLIN, .data.ptr = &timer};
	require(epoll_ctl(poller, EPOLL_CTL_ADD, listener, &on_listener) == 0, "epoll_ctl");
	require(epoll_ctl(poller, EPOLL_CTL_ADD, timer, &on_timer) == 0, "epoll_ctl");
	for (;;) {
		int64_t due = act_on_due();
		/* Setting the timer also takes back that it has expired: it needs no read. */
		struct itimerspec next = {.it_value = {due / 1000000000, due % 1000000000}};
		timerfd_settime(timer, TFD_TIMER_ABSTIME, &next, NULL);
		struct epoll_event events[64];
		int ready = epoll_wait(poller, events, 64, -1);
		for (int number = 0; number < ready; number++) {
			void *source = events[number].data.ptr;
			if (source == &listener)
				accept_all(listener);
			else if (source != &timer)
				read_request(source);
		}
	}
}
