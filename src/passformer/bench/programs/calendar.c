/* Proleptic Gregorian calendar: day counts, weekdays, ISO weeks, Easter, text, durations. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    int year;
    int month; /* 1 to 12 */
    int day;   /* 1 to 31 */
} date;

typedef struct {
    date date;
    int hour, minute, second;
} moment;

bool cal_is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int cal_month_days(int year, int month)
{
    switch (month) {
    case 2:
        return cal_is_leap(year) ? 29 : 28;
    case 4:
    case 6:
    case 9:
    case 11:
        return 30;
    case 1:
    case 3:
    case 5:
    case 7:
    case 8:
    case 10:
    case 12:
        return 31;
    default:
        return 0;
    }
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* Days since 1970-01-01. Years start in March here, so that the leap day comes last. */
int64_t cal_days(date d)
{
    int64_t year = d.month <= 2 ? (int64_t)d.year - 1 : d.year;
    int64_t shifted = (d.month + 9) % 12;
    int64_t day_of_year = (153 * shifted + 2) / 5 + d.day - 1;

    return year * 365 + floor_divide(year, 4) - floor_divide(year, 100) + floor_divide(year, 400) + day_of_year -
           719468;
}

date cal_from_days(int64_t days)
{
    date d;
    int64_t shifted = days + 719468;
    int64_t era = floor_divide(shifted, 146097);
    int64_t day_of_era = shifted - era * 146097;
    int64_t year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * day_of_year + 2) / 153;

    d.day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    d.month = (int)(month < 10 ? month + 3 : month - 9);
    d.year = (int)(year + era * 400 + (d.month <= 2));
    return d;
}

/* 1 is Monday, 7 is Sunday, as ISO 8601 counts. */
int cal_weekday(date d)
{
    int64_t n = cal_days(d) + 3;

    return (int)(n - floor_divide(n, 7) * 7) + 1;
}

/* The ISO week of `d`; `week_year` gets the year that the week belongs to. */
int cal_iso_week(date d, int *week_year)
{
    /* A week belongs to the year that holds its Thursday. */
    int64_t thursday = cal_days(d) - cal_weekday(d) + 4;
    date in_week = cal_from_days(thursday);
    date new_year = {in_week.year, 1, 1};

    if (week_year != NULL)
        *week_year = in_week.year;
    return (int)((thursday - cal_days(new_year)) / 7) + 1;
}

/* Moves by whole months; the day is clipped to the length of the month it lands in. */
date cal_add_months(date d, int months)
{
    int64_t index = (int64_t)d.year * 12 + (d.month - 1) + months;

    d.year = (int)floor_divide(index, 12);
    d.month = (int)(index - (int64_t)d.year * 12) + 1;
    int longest = cal_month_days(d.year, d.month);
    if (d.day > longest)
        d.day = longest;
    return d;
}

/* Western Easter Sunday: the Sunday after the ecclesiastical full moon. */
date cal_easter(int year)
{
    int golden = year % 19;
    int century = year / 100;
    int moon_fix = (8 * century + 13) / 25;
    int epact = (19 * golden + century - century / 4 - moon_fix + 15) % 30;

    if (epact == 29 || (epact == 28 && golden > 10))
        epact--;
    date moon = {year, 3, 21};
    int64_t full_moon = cal_days(moon) + epact;
    date on_moon = cal_from_days(full_moon);
    return cal_from_days(full_moon + 7 - cal_weekday(on_moon) % 7);
}

static bool accept(const char **text, char c)
{
    if (**text != c)
        return false;
    ++*text;
    return true;
}

static bool read_digits(const char **text, int count, int *value)
{
    int n = 0;

    for (int i = 0; i < count; i++) {
        char c = **text;
        if (c < '0' || c > '9')
            return false;
        n = n * 10 + (c - '0');
        ++*text;
    }
    *value = n;
    return true;
}

/* Reads "YYYY-MM-DD" with an optional "Thh:mm[:ss]"; nothing may follow. */
bool cal_parse(const char *text, moment *m)
{
    memset(m, 0, sizeof *m);
    if (!read_digits(&text, 4, &m->date.year) || !accept(&text, '-'))
        return false;
    if (!read_digits(&text, 2, &m->date.month) || !accept(&text, '-'))
        return false;
    if (!read_digits(&text, 2, &m->date.day))
        return false;
    if (m->date.day < 1 || m->date.day > cal_month_days(m->date.year, m->date.month))
        return false;
    if (*text == '\0')
        return true;
    if (!accept(&text, 'T') && !accept(&text, ' '))
        return false;
    if (!read_digits(&text, 2, &m->hour) || !accept(&text, ':') || !read_digits(&text, 2, &m->minute))
        return false;
    if (accept(&text, ':') && !read_digits(&text, 2, &m->second))
        return false;
    return *text == '\0' && m->hour < 24 && m->minute < 60 && m->second < 60;
}

int64_t cal_seconds(const moment *m)
{
    return ((cal_days(m->date) * 24 + m->hour) * 60 + m->minute) * 60 + m->second;
}

/* Writes a span as in "2d 3h 4m 5s", leaving out the parts that are zero. */
int cal_format_span(int64_t seconds, char *out, size_t capacity)
{
    static const struct {
        uint32_t length;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    const char *sign = seconds < 0 ? "-" : "";
    uint64_t rest = seconds < 0 ? -(uint64_t)seconds : (uint64_t)seconds;
    size_t used = 0;

    for (size_t i = 0; i < sizeof units / sizeof *units && used < capacity; i++) {
        uint64_t count = rest / units[i].length;
        rest %= units[i].length;
        bool last_chance = units[i].length == 1 && used == 0;
        if (count == 0 && !last_chance)
            continue;
        int n = snprintf(out + used, capacity - used, "%s%llu%c", used == 0 ? sign : " ", (unsigned long long)count,
                         units[i].unit);
        if (n < 0)
            return n;
        used += (size_t)n;
    }
    return used < capacity ? (int)used : -1;
}

#ifdef SELF_TEST
static void show(const char *label, date d)
{
    printf("%s %04d-%02d-%02d", label, d.year, d.month, d.day);
}

int main(void)
{
    static const char *const texts[] = {"1970-01-01", "2000-02-29T23:59:59", "1900-02-29",      "2024-12-30 08:15",
                                        "2021-01-03", "0004-03-01T00:00",    "2023-6-01",       "2023-06-01T24:00",
                                        "",           "2023-06-01T12:00:0",  "1969-07-20T20:17"};
    char span[40];

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        moment m;
        if (!cal_parse(texts[i], &m)) {
            printf("bad '%s'\n", texts[i]);
            continue;
        }
        int week_year = 0, week = cal_iso_week(m.date, &week_year);
        show("ok", m.date);
        show(" back", cal_from_days(cal_days(m.date)));
        show(" month", cal_add_months(m.date, 13));
        show(" earlier", cal_add_months(m.date, -2));
        printf(" weekday %d week %d/%d leap %d seconds %lld", cal_weekday(m.date), week_year, week,
               cal_is_leap(m.date.year), (long long)cal_seconds(&m));
        int n = cal_format_span(cal_seconds(&m) % 400000, span, sizeof span);
        printf(" span %s (%d)\n", span, n);
    }
    for (int year = 1990; year <= 2040; year += 5)
        show("", cal_easter(year));
    printf("\n%d %d\n", cal_month_days(2100, 2), cal_format_span(99999, span, 6));
    return 0;
}
#endif
