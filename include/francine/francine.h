// Everything an embedding program needs. Start reading at master.h.

#ifndef FRANCINE_FRANCINE_H
#define FRANCINE_FRANCINE_H

#include <francine/chaos.h>
#include <francine/image.h>
#include <francine/instance_manager.h>
#include <francine/limits.h>
#include <francine/log.h>
#include <francine/master.h>
#include <francine/producer.h>
#include <francine/providers.h>
#include <francine/result.h>
#include <francine/scheduler.h>
#include <francine/session.h>
#include <francine/tls_files.h>
#include <francine/worker.h>

#endif  // FRANCINE_FRANCINE_H
