// Templates (comdat functions) and lambdas, no headers.
template <typename T, unsigned Size>
class Ring {
  public:
    bool push(const T &value) {
        if (count == Size) return false;
        items[(first + count++) % Size] = value;
        return true;
    }
    bool pop(T &value) {
        if (count == 0) return false;
        value = items[first];
        first = (first + 1) % Size;
        count--;
        return true;
    }
    template <typename F>
    void each(F use) const {
        for (unsigned i = 0; i < count; i++) use(items[(first + i) % Size]);
    }

  private:
    T items[Size] = {};
    unsigned first = 0, count = 0;
};

struct Point {
    short x, y;
};

template class Ring<int, 8>;
template class Ring<Point, 5>;

int sum(const Ring<int, 8> &ring) {
    int total = 0;
    ring.each([&](int value) { total += value; });
    return total;
}

int bounding_area(const Ring<Point, 5> &ring) {
    short left = 32767, right = -32768, low = 32767, high = -32768;
    ring.each([&](const Point &p) {
        left = p.x < left ? p.x : left;
        right = p.x > right ? p.x : right;
        low = p.y < low ? p.y : low;
        high = p.y > high ? p.y : high;
    });
    return (right - left) * (high - low);
}
