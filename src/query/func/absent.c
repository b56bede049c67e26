/* SPDX-License-Identifier: MIT */
/* The functions of Spark 4.2 that this engine does not have, so that a query that uses one is told
 * so instead of being told that there is none. Whether one is here is asked first. */
#include "query/func.h"

static const char *const absent[] = {
    "aes_decrypt aes_encrypt approx_top_k approx_top_k_accumulate approx_top_k_combine "
    "approx_top_k_estimate approx_percentile assert_true bitmap_and_agg bitmap_bit_position "
    "bitmap_bucket_number bitmap_construct_agg bitmap_count bitmap_or_agg collate collation "
    "collations count_min_sketch current_catalog current_database current_path current_schema "
    "current_time current_user",
    "decode encode format_number format_string from_avro from_csv from_protobuf from_xml grouping "
    "grouping_id histogram_numeric hll_sketch_agg hll_sketch_estimate hll_union hll_union_agg "
    "identifier input_file_block_length input_file_block_start input_file_name is_variant_null "
    "java_method json_tuple listagg string_agg luhn_check make_time make_valid_utf8 mask "
    "monotonically_increasing_id parse_json parse_url percentile_approx percentile_cont "
    "percentile_disc printf quote raise_error",
    "kll_sketch_agg_bigint kll_sketch_agg_double kll_sketch_agg_float kll_sketch_get_n_bigint "
    "kll_sketch_get_n_double kll_sketch_get_n_float kll_sketch_get_quantile_bigint "
    "kll_sketch_get_quantile_double kll_sketch_get_quantile_float kll_sketch_get_rank_bigint "
    "kll_sketch_get_rank_double kll_sketch_get_rank_float kll_sketch_merge_bigint "
    "kll_sketch_merge_double kll_sketch_merge_float kll_sketch_to_string_bigint "
    "kll_sketch_to_string_double kll_sketch_to_string_float kll_merge_agg_bigint "
    "kll_merge_agg_double kll_merge_agg_float",
    "rand randn random randstr reflect schema_of_avro schema_of_csv schema_of_json "
    "schema_of_variant schema_of_variant_agg schema_of_xml sentences session_user shuffle "
    "spark_partition_id st_asbinary st_geogfromwkb st_geomfromwkb st_setsrid st_srid str_to_map "
    "theta_difference theta_intersection theta_intersection_agg theta_sketch_agg "
    "theta_sketch_estimate theta_union theta_union_agg time_bucket time_diff time_trunc "
    "time_from_micros time_from_millis time_from_seconds time_to_micros time_to_millis "
    "time_to_seconds timediff",
    "to_avro to_binary to_csv to_geography to_geometry to_number to_protobuf to_time "
    "to_variant_object to_xml try_aes_decrypt try_avg try_parse_json try_parse_url try_reflect "
    "try_secret try_sum try_to_binary try_to_number try_to_time try_url_decode try_validate_utf8 "
    "try_variant_get tuple_sketch_agg_double tuple_sketch_agg_integer tuple_union_agg_double "
    "tuple_union_agg_integer tuple_intersection_agg_double tuple_intersection_agg_integer typeof "
    "udf uniform url_decode url_encode user uuid validate_utf8 variant_get version",
    "vector_avg vector_cosine_similarity vector_inner_product vector_l2_distance vector_norm "
    "vector_normalize vector_sum xpath xpath_boolean xpath_double xpath_float xpath_int xpath_long "
    "xpath_number xpath_short xpath_string array_agg bit_and bit_or bit_xor collect_list "
    "collect_set corr covar_pop covar_samp cume_dist dense_rank explode explode_outer first_value "
    "inline inline_outer kurtosis lag last_value lead max_by median min_by mode nth_value ntile "
    "percent_rank percentile posexplode posexplode_outer range rank regr_avgx regr_avgy regr_count "
    "regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy row_number skewness stack "
    "variant_explode variant_explode_outer zip_with map_filter map_zip_with transform_keys "
    "transform_values session_window window window_time",
    "tuple_sketch_estimate_double tuple_sketch_summary_double tuple_sketch_theta_double "
    "tuple_difference_double tuple_difference_theta_double tuple_intersection_double "
    "tuple_intersection_theta_double tuple_union_double tuple_union_theta_double "
    "tuple_sketch_estimate_integer tuple_sketch_summary_integer tuple_sketch_theta_integer "
    "tuple_difference_integer tuple_difference_theta_integer tuple_intersection_integer "
    "tuple_intersection_theta_integer tuple_union_integer tuple_union_theta_integer "
    "is_valid_variant",
};

bool func_is_absent(struct str name)
{
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        struct str list = str_of(absent[i]), word;
        while (str_cut(&list, ' ', &word))
            if (str_equal_nocase(word, name))
                return true;
    }
    return false;
}
