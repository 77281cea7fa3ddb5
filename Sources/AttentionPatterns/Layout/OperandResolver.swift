import ONNXGraph

/// Decides from where the operator reads q, k and v and what it writes: as far from the core as only data moves.
struct OperandResolver {
  let walker: LayoutWalker
  var axes: OperandAxes

  struct Resolved {
    var query: Attention.Operand
    var key: Attention.Operand
    var value: Attention.Operand
    var output: Attention.Operand
    /// Of the numbers met on q's and k's way.
    var scale: Double
    var heads: Dimension?
    var keyHeads: Dimension?
    var headSize: Dimension?
    var batch: Dimension?
    var queryLength: Dimension?
    var keyLength: Dimension?
    /// False where query, key and value are of different types.
    var hasOneType: Bool
  }

  /// - Parameter queryAsItLies: the queries are read where the product reads them.
  mutating func resolve(
    query: String, key: String, value: String, output: String, queryAsItLies: Bool = false
  ) -> Resolved? {
    let all = walker.upstream(from: query, layout: axes.query, table: &axes.table)
    let q = queryAsItLies ? Array(all.prefix(1)) : all
    let k = walker.upstream(from: key, layout: axes.key, table: &axes.table)
    let v = walker.upstream(from: value, layout: axes.value, table: &axes.table).prefix { $0.scale == 1 }
    let o = walker.downstream(from: output, layout: axes.output, table: &axes.table)
    if let undecided = axes.undecided { decide(undecided, all + k + v + o) }
    if let found = resolved(q, k, Array(v), o) { return found }
    // Heads that cannot be told from the batch: the operator sees them as batch.
    guard axes.undecided != nil else { return nil }
    for path in [\OperandAxes.queryRoles, \.keyRoles, \.valueRoles, \.outputRoles] {
      axes[keyPath: path].batch += axes[keyPath: path].heads
      axes[keyPath: path].heads = []
    }
    return resolved(Array(q.prefix(1)), Array(k.prefix(1)), Array(v.prefix(1)), Array(o.prefix(1)))
  }

  private func resolved(
    _ q: [LayoutWalker.Stage], _ k: [LayoutWalker.Stage], _ v: [LayoutWalker.Stage], _ o: [LayoutWalker.Stage]
  ) -> Resolved? {
    // The operator computes in one type, which is that of what it writes.
    let type = o.first.flatMap { walker.view.elementType($0.value) }
    func ofType(_ stages: [LayoutWalker.Stage]) -> [LayoutWalker.Stage] {
      type == nil ? stages : stages.filter { walker.view.elementType($0.value) ?? type == type }
    }
    let (q1, k1, v1) = (ofType(q), ofType(k), ofType(v))
    let hasOneType = walker.throughQuantisation || !q1.isEmpty && !k1.isEmpty && !v1.isEmpty
    let queries = (hasOneType && !q1.isEmpty ? q1 : q).filter(\.repeated.isEmpty)
    let (keys, values) = (hasOneType && !k1.isEmpty ? k1 : k, hasOneType && !v1.isEmpty ? v1 : v)
    guard let query = source(queries, axes.queryRoles), let (key, value) = sources(keys, values),
      let output = target(o, axes.outputRoles, query.operand)
    else { return nil }
    return Resolved(
      query: query.operand, key: key.operand, value: value.operand, output: output,
      scale: query.scale * key.scale, heads: length(axes.queryRoles.heads), keyHeads: length(key.heads),
      headSize: length(axes.queryRoles.channels), batch: length(axes.queryRoles.batch),
      queryLength: length(axes.queryRoles.sequence), keyLength: length(axes.keyRoles.sequence), hasOneType: hasOneType)
  }

  private struct Source {
    var operand: Attention.Operand
    var scale: Double
    var heads: [Atom]
  }

  /// Keys and values of as many heads.
  private func sources(_ keys: [LayoutWalker.Stage], _ values: [LayoutWalker.Stage]) -> (Source, Source)? {
    if let key = source(keys, axes.keyRoles), let value = source(values, axes.valueRoles),
      length(key.heads) == length(value.heads)
    {
      return (key, value)
    }
    guard let key = source(keys.filter(\.repeated.isEmpty), axes.keyRoles),
      let value = source(values.filter(\.repeated.isEmpty), axes.valueRoles)
    else { return nil }
    return (key, value)
  }

  /// False where keys or values stand once for the whole batch.
  var hasOneBatch: Bool {
    func atoms(_ roles: AxisRoles) -> [Atom] { axes.table.resolved(roles.batch).filter { !axes.table.isUnit($0) } }
    let batch = atoms(axes.queryRoles)
    return atoms(axes.keyRoles) == batch && atoms(axes.valueRoles) == batch
  }

  /// Which of query, key and value stand once for the batch that the others have.
  struct Repeated {
    var query: Bool
    var key: Bool
    var value: Bool
    var batch: Dimension?
  }

  /// - Returns: nil where one of them stands for a part of the batch.
  var repeatedOverBatch: Repeated? {
    let batches = [axes.queryRoles, axes.keyRoles, axes.valueRoles].map { roles in
      axes.table.resolved(roles.batch).filter { !axes.table.isUnit($0) }
    }
    guard let all = batches.max(by: { $0.count < $1.count }), batches.allSatisfy({ $0 == all || $0.isEmpty }) else {
      return nil
    }
    let isRepeated = batches.map { $0 != all }
    return Repeated(query: isRepeated[0], key: isRepeated[1], value: isRepeated[2], batch: length(all))
  }

  private func length(_ atoms: [Atom]) -> Dimension? { axes.table.length(axes.table.resolved(atoms)) }

  private func source(_ stages: [LayoutWalker.Stage], _ roles: AxisRoles) -> Source? {
    best(stages, roles).map { stage, reading in
      let order = reading.order.elementsEqual(reading.order.indices) ? nil : reading.order
      return Source(
        operand: Attention.Operand(
          value: stage.value, layout: reading.layout, batchAxes: reading.batchAxes, transposition: order),
        scale: stage.scale, heads: reading.heads)
    }
  }

  private func target(
    _ stages: [LayoutWalker.Stage], _ roles: AxisRoles, _ query: Attention.Operand
  ) -> Attention.Operand? {
    best(stages, roles) { stage, reading in
      // A batch of several axes is given back from known lengths, or from the query's.
      reading.batchAxes < 2 || query.batchAxes == reading.batchAxes && query.transposition == nil
        || (walker.view.shape(stage.value) ?? []).count { $0?.value == nil } < 2
    }.map { stage, reading in
      // The operator writes one of its layouts, and what follows turns it back.
      var inverse = reading.order
      for (position, axis) in reading.order.enumerated() { inverse[axis] = position }
      return Attention.Operand(
        value: stage.value, layout: reading.layout, batchAxes: reading.batchAxes,
        transposition: inverse.elementsEqual(inverse.indices) ? nil : inverse)
    }
  }

  /// The stage that the operator reads with the fewest nodes between, and of these the farthest from the core.
  private func best(
    _ stages: [LayoutWalker.Stage], _ roles: AxisRoles,
    where isPossible: (LayoutWalker.Stage, AtomTable.Reading) -> Bool = { _, _ in true }
  ) -> (LayoutWalker.Stage, AtomTable.Reading)? {
    var best: (LayoutWalker.Stage, AtomTable.Reading)?
    for stage in stages.reversed() {
      guard let reading = axes.table.reading(stage.layout, roles: roles, repeated: stage.repeated),
        isPossible(stage, reading)
      else { continue }
      if reading.cost == 0 { return (stage, reading) }
      if best.map({ reading.cost < $0.1.cost }) ?? true { best = (stage, reading) }
    }
    return best
  }

  /// Which of batch and heads an axis of three-dimensional products holds.
  private mutating func decide(_ atom: Atom, _ stages: [LayoutWalker.Stage]) {
    let parts = axes.table.resolved([atom])
    var batch = Array(parts.dropLast())
    var heads = parts.suffix(1)
    if parts.count == 1 {
      // Heads lie beside their channels, or on an axis of their own in four dimensions.
      let channels = axes.table.resolved(axes.queryRoles.channels + axes.keyRoles.channels + axes.valueRoles.channels)
      let isHeads = stages.contains { stage in
        let axes = self.axes.table.resolved(stage.layout).axes
        return axes.count > 3 && axes.first != parts
          || axes.contains { $0.count == 2 && $0.first == parts.first && channels.contains($0[1]) }
      }
      if !isHeads {
        batch = parts
        heads = []
      }
    }
    for path in [\OperandAxes.queryRoles, \.keyRoles, \.valueRoles, \.outputRoles] {
      axes[keyPath: path].batch = batch
      axes[keyPath: path].heads = Array(heads)
    }
  }
}
