#!/usr/bin/env bash
echo "not yet: only ./dev test --room" >&2; exit 1
