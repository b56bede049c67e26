/* SPDX-License-Identifier: MIT */
/* int(x), string(x), ..: casts that are written as calls. */
#include "query/func/kernel.h"

static enum err typecast_bind(struct func_bind *bind)
{
    enum type_kind kind = (enum type_kind)bind->info->variant;
    struct diag diag = {0};
    bind->out.result = kind == TYPE_DECIMAL ? type_decimal(bind->arena, 10, 0) : type_simple(kind);
    if (cast_check(bind->args[0].type, bind->out.result, bind->session, false, &diag) != OK)
        return bind_fail(bind, diag.error_class, diag.sqlstate, "%s", diag.message);
    bind->out.args[0] = bind->out.result;
    return OK;
}

static enum err typecast_eval(struct eval *eval, const struct func_binding *binding,
                              const struct column *const *args, uint32_t rows,
                              struct column **ret_column)
{
    return cast_eval(eval, args[0], binding->result, false, ret_column);
}

const struct func_info func_typecast[] = {
    {"boolean", 1, 1, true, false, typecast_bind, typecast_eval, "boolean(expr)",
     .variant = TYPE_BOOLEAN},
    {"tinyint", 1, 1, true, false, typecast_bind, typecast_eval, "tinyint(expr)",
     .variant = TYPE_TINYINT},
    {"smallint", 1, 1, true, false, typecast_bind, typecast_eval, "smallint(expr)",
     .variant = TYPE_SMALLINT},
    {"int", 1, 1, true, false, typecast_bind, typecast_eval, "int(expr)", .variant = TYPE_INT},
    {"bigint", 1, 1, true, false, typecast_bind, typecast_eval, "bigint(expr)",
     .variant = TYPE_BIGINT},
    {"float", 1, 1, true, false, typecast_bind, typecast_eval, "float(expr)",
     .variant = TYPE_FLOAT},
    {"double", 1, 1, true, false, typecast_bind, typecast_eval, "double(expr)",
     .variant = TYPE_DOUBLE},
    {"decimal", 1, 1, true, false, typecast_bind, typecast_eval, "decimal(expr)",
     .variant = TYPE_DECIMAL},
    {"string", 1, 1, true, false, typecast_bind, typecast_eval, "string(expr)",
     .variant = TYPE_STRING},
    {"binary", 1, 1, true, false, typecast_bind, typecast_eval, "binary(expr)",
     .variant = TYPE_BINARY},
    {"date", 1, 1, true, false, typecast_bind, typecast_eval, "date(expr)", .variant = TYPE_DATE},
    {"timestamp", 1, 1, true, false, typecast_bind, typecast_eval, "timestamp(expr)",
     .variant = TYPE_TIMESTAMP},
    {.name = NULL},
};
