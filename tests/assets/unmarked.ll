; As clang -O0 leaves IR: no minsize, and optnone noinline on one of the functions.
target triple = "x86_64-unknown-linux-gnu"

@table = internal constant [4 x i32] [i32 3, i32 1, i32 4, i32 1]

define i32 @twice(i32 %x) #0 {
entry:
  %slot = alloca i32, align 4
  store i32 %x, ptr %slot, align 4
  %a = load i32, ptr %slot, align 4
  %b = load i32, ptr %slot, align 4
  %sum = add nsw i32 %a, %b
  ret i32 %sum
}

define i32 @pick(i32 %i) {
entry:
  %at = getelementptr inbounds [4 x i32], ptr @table, i32 0, i32 %i
  %value = load i32, ptr %at, align 4
  switch i32 %value, label %other [
    i32 1, label %one
    i32 3, label %three
  ]

one:
  %doubled = call i32 @twice(i32 %value)
  br label %done

three:
  br label %done

other:
  br label %done

done:
  %result = phi i32 [ %doubled, %one ], [ 33, %three ], [ 0, %other ]
  ret i32 %result
}

attributes #0 = { noinline optnone }
