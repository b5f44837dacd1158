package process_test

func beDecoy() {}
