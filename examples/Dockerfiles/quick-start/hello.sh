#!/bin/sh
echo "hello, $1: I run as $(id -un), and this image was $(cat /app/built-by)"
