#pragma once

// Precompiled once for all tests. As with pch.h, a file still includes what it uses.

#include "base/pch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
