package main

import (
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logger is the daemon's own log, on stderr.
func (a *app) logger() *zap.Logger {
	encoding := zapcore.EncoderConfig{
		TimeKey: "time", LevelKey: "level", MessageKey: "message",
		EncodeTime:       zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00"),
		EncodeLevel:      zapcore.LowercaseLevelEncoder,
		EncodeDuration:   zapcore.StringDurationEncoder,
		ConsoleSeparator: " ",
	}
	out := zapcore.Lock(zapcore.AddSync(a.err))
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(encoding), out, zapcore.InfoLevel))
}
