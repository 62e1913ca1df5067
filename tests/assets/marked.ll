; One function is marked for size already, as from clang -Oz: the others are as their author wants them.
target triple = "x86_64-unknown-linux-gnu"

define i32 @small(i32 %x) minsize optsize {
  %y = mul i32 %x, 9
  ret i32 %y
}

define i32 @hot(i32 %x) {
  %y = mul i32 %x, 7
  ret i32 %y
}
