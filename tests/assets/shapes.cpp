// Classes: constructors (aliases of one another), virtual calls, exceptions, a static initialiser, no headers.
namespace {
int num_alive = 0;
int next_id() {
    static int id = 100;
    return id++;
}
}  // namespace

struct Shape {
    Shape(int width, int height);
    virtual ~Shape();
    virtual long area() const { return static_cast<long>(width) * height; }
    int width, height, id;
};

Shape::Shape(int width, int height) : width(width), height(height), id(next_id()) {
    if (width < 0 || height < 0) throw "a negative length";
    num_alive++;
}

Shape::~Shape() { num_alive--; }

struct Frame : Shape {
    Frame(int width, int height, int border);
    ~Frame() override;
    long area() const override;
    int border;
};

Frame::Frame(int width, int height, int border) : Shape(width, height), border(border) {}
Frame::~Frame() = default;
long Frame::area() const {
    Shape inner(width - 2 * border, height - 2 * border);
    return Shape::area() - inner.area();
}

static Shape unit(1, 1);

long total(const Shape *const *shapes, int n) {
    long sum = unit.area();
    for (int i = 0; i < n; i++) {
        try {
            sum += shapes[i]->area();
        } catch (const char *) {
            sum--;
        }
    }
    return sum;
}

int alive() { return num_alive; }
