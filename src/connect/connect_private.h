/* SPDX-License-Identifier: MIT */
#ifndef CONNECT_PRIVATE_H
#define CONNECT_PRIVATE_H

#include "connect/connect.h"

extern const struct connector connector_http;
extern const struct connector connector_webhook;
extern const struct connector connector_file;
extern const struct connector connector_generator;
#endif
