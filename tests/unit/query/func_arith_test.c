/* SPDX-License-Identifier: MIT */
/* Arithmetic, comparison and conditions. The decimals were computed with Python's decimal. */
#include "func_cases.h"
#include "test.h"

static const struct func_case ansi[] = {
    {"+", {"INT=1", "INT#2"}, "INT:3"},
    {"+", {"TINYINT=1", "INT#2"}, "INT:3"},
    {"+", {"INT=2147483647", "INT#1"}, "!ARITHMETIC_OVERFLOW"},
    {"+", {"TINYINT=127", "TINYINT#1"}, "!BINARY_ARITHMETIC_OVERFLOW"},
    {"+", {"BIGINT=9223372036854775807", "BIGINT#1"}, "!ARITHMETIC_OVERFLOW"},
    {"try_add", {"INT=2147483647", "INT#1"}, "NULL"},
    {"+", {"INT!", "INT#1"}, "NULL"},
    {"+", {"STRING=1", "INT#2"}, "BIGINT:3"},
    {"+", {"FLOAT=1.5", "INT#2"}, "DOUBLE:3.5"},
    {"-", {"BIGINT=-9223372036854775808", "BIGINT#1"}, "!ARITHMETIC_OVERFLOW"},
    {"*", {"BIGINT=4611686018427387904", "BIGINT#2"}, "!ARITHMETIC_OVERFLOW"},
    {"*", {"SMALLINT=256", "SMALLINT#128"}, "!BINARY_ARITHMETIC_OVERFLOW"},
    {"/", {"INT=7", "INT#2"}, "DOUBLE:3.5"},
    {"/", {"INT=7", "INT#0"}, "!DIVIDE_BY_ZERO"},
    {"/", {"DOUBLE=7", "DOUBLE#0"}, "!DIVIDE_BY_ZERO"},
    {"try_divide", {"INT=7", "INT#0"}, "NULL"},
    {"div", {"INT=-7", "INT#2"}, "BIGINT:-3"},
    {"div", {"BIGINT=-9223372036854775808", "BIGINT#-1"}, "!ARITHMETIC_OVERFLOW"},
    {"%", {"INT=-7", "INT#3"}, "INT:-1"},
    {"%", {"INT=7", "INT#0"}, "!REMAINDER_BY_ZERO"},
    {"%", {"INT=-2147483648", "INT#-1"}, "0"},
    {"pmod", {"INT=-7", "INT#3"}, "INT:2"},
    {"pmod", {"INT=-7", "INT#-3"}, "-1"},
    {"%", {"DOUBLE=-7.5", "DOUBLE#2"}, "-1.5"},
    /* decimals */
    {"+", {"DECIMAL(10,2)=1.25", "DECIMAL(5,4)#2.0001"}, "DECIMAL(13,4):3.2501"},
    {"+",
     {"DECIMAL(38,0)=99999999999999999999999999999999999999", "DECIMAL(38,0)#1"},
     "!NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION"},
    {"+",
     {"DECIMAL(38,10)=9876543210987654321098765432.1234567891", "DECIMAL(38,20)#0.5"},
     "DECIMAL(38,9):9876543210987654321098765432.623456789"},
    {"*", {"DECIMAL(10,2)=12345.67", "DECIMAL(10,3)#-0.005"}, "DECIMAL(21,5):-61.72835"},
    {"*",
     {"DECIMAL(38,18)=12345678901234567890.123456789012345678",
      "DECIMAL(38,18)#3.141592653589793238"},
     "DECIMAL(38,6):38785094139697029047.708981"},
    {"/", {"DECIMAL(10,2)=1.00", "DECIMAL(10,2)#3.00"}, "DECIMAL(23,13):0.3333333333333"},
    {"/", {"DECIMAL(38,10)=1", "DECIMAL(38,10)#7"}, "DECIMAL(38,6):0.142857"},
    {"/", {"DECIMAL(3,1)=2.0", "INT=3"}, "DECIMAL(8,6):0.666667"},
    {"/", {"DECIMAL(10,2)=1.00", "DECIMAL(10,2)#0"}, "!DIVIDE_BY_ZERO"},
    {"%", {"DECIMAL(10,2)=10.50", "DECIMAL(5,3)#-3.125"}, "DECIMAL(5,3):1.125"},
    {"pmod", {"DECIMAL(10,2)=-10.50", "DECIMAL(5,3)#3.125"}, "DECIMAL(5,3):2.000"},
    {"div", {"DECIMAL(20,2)=1000000.55", "DECIMAL(5,3)#-0.001"}, "BIGINT:-1000000550"},
    {"+", {"DECIMAL(2,1)=1.5", "INT=2"}, "DECIMAL(3,1):3.5"},
    {"+", {"DECIMAL(2,1)=1.5", "INT#2"}, "DECIMAL(12,1):3.5"},
    {"*", {"DECIMAL(3,3)=0.908", "BIGINT#1000"}, "DECIMAL(24,3):908.000"},
    /* times */
    {"+", {"DATE=2024-01-31", "INT#1"}, "DATE:2024-02-01"},
    {"-", {"DATE=2024-03-01", "DATE#2024-02-01"}, "INTERVAL '29' DAY"},
    {"+", {"DATE=2024-01-31", "INTERVAL MONTH#1"}, "DATE:2024-02-29"},
    {"+", {"TIMESTAMP=2024-01-31 10:00:00", "INTERVAL HOUR#2"}, "TIMESTAMP:2024-01-31 12:00:00"},
    {"+", {"STRING=a", "STRING#b"}, "!DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE"},
    {"+", {"BOOLEAN=true", "INT#1"}, "!DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES"},
    /* comparison */
    {"=", {"INT=1", "BIGINT#1"}, "BOOLEAN:true"},
    {"=", {"DOUBLE=NaN", "DOUBLE#NaN"}, "true"},
    {">", {"DOUBLE=NaN", "DOUBLE#Infinity"}, "true"},
    {"=", {"DOUBLE=-0.0", "DOUBLE#0.0"}, "true"},
    {"<", {"STRING=a", "STRING#ab"}, "true"},
    {"<", {"STRING=Z", "STRING#a"}, "true"},
    {"=", {"STRING=1.0", "INT#1"}, "!CAST_INVALID_INPUT"},
    {"=", {"INT!", "INT#1"}, "NULL"},
    {"<=>", {"INT!", "INT#1"}, "false"},
    {"<=>", {"INT!", "INT!"}, "true"},
    {">=", {"DECIMAL(3,1)=1.5", "INT#1"}, "true"},
    {"=", {"DATE=2024-01-01", "TIMESTAMP#2024-01-01 00:00:00"}, "true"},
    {"=", {"ARRAY<INT>#[1,null]", "ARRAY<INT>#[1,null]"}, "true"},
    {"=", {"BOOLEAN=true", "INT#1"}, "!DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES"},
    {"in", {"INT=1", "INT#2", "INT!"}, "NULL"},
    {"in", {"INT=1", "INT#1", "INT!"}, "true"},
    {"in", {"INT=1", "INT#3", "INT#2"}, "false"},
    {"isnull", {"INT!"}, "true"},
    {"isnotnull", {"INT=1"}, "true"},
    {"isnan", {"DOUBLE=NaN"}, "true"},
    /* conditions */
    {"coalesce", {"INT!", "BIGINT#2"}, "BIGINT:2"},
    {"nullif", {"STRING=a", "STRING#a"}, "NULL"},
    {"nullif", {"STRING=", "STRING=b"}, ""},
    {"nvl2", {"INT!", "INT=1", "INT=2"}, "2"},
    {"if", {"BOOLEAN!", "INT=1", "INT=2"}, "2"},
    {"greatest", {"INT=1", "INT!", "DOUBLE=2.5"}, "DOUBLE:2.5"},
    {"least", {"INT=1", "INT!", "INT=-2"}, "-2"},
    {"negative", {"INT=-2147483648"}, "!ARITHMETIC_OVERFLOW"},
    {"abs", {"DECIMAL(4,2)=-1.50"}, "DECIMAL(4,2):1.50"},
    {"round", {"DOUBLE=2.5"}, "3.0"},
    {"round", {"DOUBLE=-2.5"}, "-3.0"},
    {"bround", {"DOUBLE=2.5"}, "2.0"},
    {"cbrt", {"DOUBLE=27"}, "3.0"},
    {"round", {"DOUBLE=1.005", "INT=2"}, "1.01"},
    {"round", {"DOUBLE=8.385", "INT=2"}, "8.39"},
    {"round", {"DOUBLE=123.456", "INT=-1"}, "120.0"},
    {"round", {"DECIMAL(5,3)=1.235", "INT=2"}, "DECIMAL(5,2):1.24"},
    {"round", {"INT=25", "INT=-1"}, "INT:30"},
    {"bround", {"INT=25", "INT=-1"}, "20"},
    {"ceil", {"DOUBLE=-0.1"}, "BIGINT:0"},
    {"floor", {"DECIMAL(3,1)=-0.1"}, "DECIMAL(3,0):-1"},
    {"log", {"DOUBLE=0"}, "NULL"},
    {"sqrt", {"DOUBLE=-1"}, "NaN"},
    {"pow", {"INT=2", "INT=10"}, "1024.0"},
    {"shiftright", {"INT=-4", "INT=1"}, "-2"},
    {">>>", {"INT=-4", "INT=1"}, "2147483646"},
    {"^", {"INT=5", "BIGINT=1"}, "BIGINT:4"},
};

static const struct func_case legacy[] = {
    {"+", {"INT=2147483647", "INT#1"}, "-2147483648"},
    {"+", {"STRING=1.5", "INT#1"}, "DOUBLE:2.5"},
    {"/", {"INT=7", "INT#0"}, "NULL"},
    {"%", {"INT=7", "INT#0"}, "NULL"},
    {"+", {"DECIMAL(38,0)=99999999999999999999999999999999999999", "DECIMAL(38,0)#1"}, "NULL"},
    {"=", {"STRING=1", "INT#1"}, "true"},
    {"=", {"STRING=x", "INT#1"}, "NULL"},
    {"negative", {"INT=-2147483648"}, "-2147483648"},
};

static void under_ansi(void **state)
{
    func_cases_run(ansi, sizeof ansi / sizeof *ansi, true, "UTC");
}

static void without_ansi(void **state)
{
    func_cases_run(legacy, sizeof legacy / sizeof *legacy, false, "UTC");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(under_ansi),
                                       cmocka_unit_test(without_ansi)};
    return RUN_TESTS(tests);
}
