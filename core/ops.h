#pragma once

#include <mjolnir/core/ops/conv.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/embedding.h>
#include <mjolnir/core/ops/loss.h>
#include <mjolnir/core/ops/matmul.h>
#include <mjolnir/core/ops/norm.h>
#include <mjolnir/core/ops/pool.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/core/ops/shape.h>
