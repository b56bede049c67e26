/* SPDX-License-Identifier: MIT */
/*
 * Words -> options and arguments: --name VALUE, --name=VALUE, -x VALUE, -xVALUE, -- ends them.
 * Options of the command come first, then those that every command has.
 */
#include "cli/options.h"

#include "base/civil.h"
#include "base/mem.h"

#include <string.h>

const struct cli_option cli_shared_options[] = {
    {"output", 'o', "FORMAT", "table, json or csv"},
    {"server", 's', "URL", "talk to that server (also MILLRACE_SERVER)"},
    {"project", 'C', "DIR", "work on the project in DIR instead of the working directory"},
    {"help", 'h', NULL, "show this text"},
    {0},
};

struct found {
    const struct cli_option *option;
    const char **value;
};

static struct found find_in(const struct cli_option *options, const char **values, struct str name,
                            char letter)
{
    for (size_t i = 0; options && options[i].name; i++)
        if (letter ? options[i].letter == letter : str_equal(name, str_of(options[i].name)))
            return (struct found){&options[i], &values[i]};
    return (struct found){0};
}

static struct found find(struct cli *cli, struct str name, char letter)
{
    struct found found = find_in(cli->command->options, cli->values, name, letter);
    return found.option ? found : find_in(cli_shared_options, cli->shared_values, name, letter);
}

static enum options_outcome wrong_option(struct cli *cli, const char *word)
{
    const char *names[64];
    size_t count = 0;
    for (size_t i = 0; cli->command->options && cli->command->options[i].name; i++)
        names[count++] = cli->command->options[i].name;
    for (size_t i = 0; cli_shared_options[i].name; i++)
        names[count++] = cli_shared_options[i].name;
    size_t dashes = strspn(word, "-");
    struct str nearest = str_nearest(str_of(word + dashes), names, count);
    cli_error(cli, "%s has no option '%s'%s%.*s%s", cli->command->name, word,
              nearest.ptr ? "; did you mean --" : "", STR_ARG(nearest), nearest.ptr ? "?" : "");
    return OPTIONS_WRONG;
}

/* One option at words[*index]; takes the next word too when the value stands there. */
static enum options_outcome take_option(struct cli *cli, int count, char **words, int *index)
{
    char *word = words[*index];
    const char *inline_value = NULL;
    struct found found;
    if (word[1] == '-') {
        char *equals = strchr(word, '=');
        struct str name =
            str_from(word + 2, equals ? (size_t)(equals - word) - 2 : strlen(word) - 2);
        inline_value = equals ? equals + 1 : NULL;
        found = find(cli, name, 0);
    } else {
        found = find(cli, STR_NONE, word[1]);
        inline_value = word[2] ? word + 2 : NULL;
    }
    if (!found.option)
        return wrong_option(cli, word);
    if (!found.option->value) {
        if (inline_value) {
            cli_error(cli, "--%s takes no value", found.option->name);
            return OPTIONS_WRONG;
        }
        *found.value = "";
        return OPTIONS_GOOD;
    }
    if (!inline_value && *index + 1 >= count) {
        cli_error(cli, "--%s needs a value: %s", found.option->name, found.option->value);
        return OPTIONS_WRONG;
    }
    *found.value = inline_value ? inline_value : words[++*index];
    return OPTIONS_GOOD;
}

static enum options_outcome check_output(struct cli *cli)
{
    const char *output = cli->shared_values[0];
    if (!output)
        return OPTIONS_GOOD;
    if (strcmp(output, "table") != 0 && strcmp(output, "json") != 0 && strcmp(output, "csv") != 0) {
        cli_error(cli, "-o takes table, json or csv, not '%s'", output);
        return OPTIONS_WRONG;
    }
    cli->output = output;
    cli->json = strcmp(output, "json") == 0;
    return OPTIONS_GOOD;
}

static bool takes_arguments(const struct cli *cli)
{
    const struct cli_command *command = cli->command;
    int count = cli->argument_count, max = command->arguments_max;
    const char *space = command->arguments && command->arguments[0] ? " " : "";
    const char *arguments = command->arguments ? command->arguments : "";
    if (count < command->arguments_min)
        cli_error(cli, "an argument is missing; usage: millrace %s%s%s", command->name, space,
                  arguments);
    else if (max >= 0 && count > max)
        cli_error(cli, "'%s' is too much; usage: millrace %s%s%s", cli->arguments[max],
                  command->name, space, arguments);
    else
        return true;
    return false;
}

enum options_outcome options_parse(struct cli *cli, int count, char **words)
{
    bool options_end = false;
    cli->arguments = words;
    for (int i = 0; i < count; i++) {
        if (!options_end && strcmp(words[i], "--") == 0) {
            options_end = true;
            continue;
        }
        if (!options_end && words[i][0] == '-' && words[i][1]) {
            if (take_option(cli, count, words, &i) != OPTIONS_GOOD)
                return OPTIONS_WRONG;
            continue;
        }
        cli->arguments[cli->argument_count++] = words[i];
    }
    if (cli_option(cli, "help"))
        return OPTIONS_HELP;
    if (!takes_arguments(cli))
        return OPTIONS_WRONG;
    return check_output(cli);
}

const char *cli_option(const struct cli *cli, const char *name)
{
    struct found found = find((struct cli *)cli, str_of(name), 0);
    return found.option ? *found.value : NULL;
}

const char *cli_argument(const struct cli *cli, int index, const char *fallback)
{
    return index < cli->argument_count ? cli->arguments[index] : fallback;
}

bool cli_number(const struct cli *cli, const char *name, int64_t fallback, int64_t *ret_value)
{
    const char *text = cli_option(cli, name);
    *ret_value = fallback;
    if (!text || str_to_i64(str_of(text), ret_value) == OK)
        return true;
    cli_error(cli, "--%s takes a number, not '%s'", name, text);
    return false;
}

bool cli_duration_ms(const struct cli *cli, const char *name, int64_t fallback, int64_t *ret_value)
{
    const char *text = cli_option(cli, name);
    *ret_value = fallback;
    if (!text || duration_parse(str_of(text), ret_value) == OK)
        return true;
    cli_error(cli, "--%s takes a time as 60s, 5m or 500ms, not '%s'", name, text);
    return false;
}
