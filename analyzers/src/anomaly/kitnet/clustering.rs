//! Which features go to which autoencoder: those that rise and fall together.
//!
//! Correlation distances from incremental sums, single linkage, and the dendrogram broken from its root
//! until no branch holds more than the most that one autoencoder takes. Ties fall as in `SciPy`'s `linkage` and
//! `to_tree`, which the published code uses, so that the same features give the same map.

/// Incremental sums of residuals and of their products.
#[derive(Clone, Debug)]
pub struct Correlations {
    features: usize,
    seen: f64,
    sums: Vec<f64>,
    squares: Vec<f64>,
    /// Of pairs, a row per feature.
    products: Vec<f64>,
    residuals: Vec<f64>,
}

impl Correlations {
    /// Of so many features.
    #[must_use]
    pub fn new(features: usize) -> Self {
        Self {
            features,
            seen: 0.0,
            sums: vec![0.0; features],
            squares: vec![0.0; features],
            products: vec![0.0; features * features],
            residuals: vec![0.0; features],
        }
    }

    /// Takes features in. As published, residuals are to the mean so far.
    pub fn update(&mut self, features: &[f64]) {
        self.seen += 1.0;
        for (((sum, square), residual), x) in
            self.sums.iter_mut().zip(&mut self.squares).zip(&mut self.residuals).zip(features)
        {
            *sum += x;
            *residual = x - *sum / self.seen;
            *square += *residual * *residual;
        }
        for (row, a) in self.products.chunks_exact_mut(self.features.max(1)).zip(&self.residuals) {
            for (product, b) in row.iter_mut().zip(&self.residuals) {
                *product += a * b;
            }
        }
    }

    fn distance(&self, a: usize, b: usize) -> f64 {
        let product = self.products.get(a * self.features + b).copied().unwrap_or(0.0);
        let square = |at: usize| self.squares.get(at).copied().unwrap_or(0.0).sqrt();
        let scale = square(a) * square(b);
        // A constant feature has no correlation.
        let distance = 1.0 - product / if scale == 0.0 { 1e-100 } else { scale };
        if distance > 0.0 { distance } else { 0.0 }
    }

    /// Groups of at most `most` features.
    #[must_use]
    pub fn cluster(&self, most: usize) -> Vec<Vec<usize>> {
        let n = self.features;
        if n < 2 {
            return (0..n).map(|at| vec![at]).collect();
        }
        let mut edges = self.spanning_tree();
        // Stable: equal distances stay in the order in which they were found.
        edges.sort_by(|a, b| a.2.total_cmp(&b.2));
        break_down(&dendrogram(n, &edges), n, most.clamp(1, n))
    }

    /// Prim's algorithm from the first feature.
    fn spanning_tree(&self) -> Vec<(usize, usize, f64)> {
        let n = self.features;
        let mut nearest = vec![f64::INFINITY; n];
        let mut merged = vec![false; n];
        let mut edges = Vec::with_capacity(n);
        let mut x = 0;
        for _ in 1..n {
            merged[x] = true;
            let (mut y, mut least) = (x, f64::INFINITY);
            for i in (0..n).filter(|i| !merged[*i]) {
                nearest[i] = nearest[i].min(self.distance(x, i));
                if nearest[i] < least || y == x {
                    (y, least) = (i, nearest[i]);
                }
            }
            edges.push((x, y, least));
            x = y;
        }
        edges
    }
}

/// Children of the inner nodes, which are numbered from `n` on in the order of the edges.
fn dendrogram(n: usize, edges: &[(usize, usize, f64)]) -> Vec<(usize, usize)> {
    let mut parent: Vec<usize> = (0..2 * n).collect();
    let find = |parent: &mut Vec<usize>, mut at: usize| {
        while parent[at] != at {
            parent[at] = parent[parent[at]];
            at = parent[at];
        }
        at
    };
    edges
        .iter()
        .enumerate()
        .map(|(number, (a, b, _))| {
            let (a, b) = (find(&mut parent, *a), find(&mut parent, *b));
            parent[a] = n + number;
            parent[b] = n + number;
            (a.min(b), a.max(b))
        })
        .collect()
}

/// Breaks branches down from the root until none is too big, left before right.
fn break_down(children: &[(usize, usize)], n: usize, most: usize) -> Vec<Vec<usize>> {
    let mut groups = Vec::new();
    let mut stack = vec![n + children.len() - 1];
    while let Some(node) = stack.pop() {
        let leaves = leaves(children, n, node);
        match node.checked_sub(n).and_then(|at| children.get(at)) {
            Some((left, right)) if leaves.len() > most => stack.extend([*right, *left]),
            _ => groups.push(leaves),
        }
    }
    groups
}

fn leaves(children: &[(usize, usize)], n: usize, root: usize) -> Vec<usize> {
    let (mut leaves, mut stack) = (Vec::new(), vec![root]);
    while let Some(node) = stack.pop() {
        match node.checked_sub(n).and_then(|at| children.get(at)) {
            Some((left, right)) => stack.extend([*right, *left]),
            None => leaves.push(node),
        }
    }
    leaves
}
